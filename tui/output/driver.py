"""A driver that sends of each frame only the cells that changed."""

from __future__ import annotations

from shutil import get_terminal_size

from textual.driver import Driver

from meterdeck.tui.output.cell_diff import CellDiff


class Thrift:
    """Mixed into a driver: it remembers what its terminal shows."""

    _diff: CellDiff | None = None

    def write(self, data: str) -> None:
        """Write what `data` changes."""
        size = tuple(get_terminal_size())
        if self._diff is None:
            self._diff = CellDiff(*size)
        elif self._diff.size != size:
            self._diff.resize(*size)
        if less := self._diff.reduce(data):
            super().write(less)  # type: ignore[misc]  # the driver's

    def forget(self) -> None:
        """Send everything that is painted from now on: the terminal was another's."""
        if self._diff is not None:
            self._diff.forget()


def thrifty(driver: type[Driver]) -> type[Driver]:
    """Return `driver`, writing less."""
    return type("ThriftyDriver", (Thrift, driver), {})
