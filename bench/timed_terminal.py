"""A terminal that notes when each byte came, and reads the screen afterwards.

Emulating a screen costs processor time the measured program needs: while it runs
only the clock is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from tests.support.terminal import Terminal

_BURST_S = 0.05


class TimedTerminal(Terminal):
    """Run `argv` at 120×40 and keep every write with its time."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> None:
        self._arrivals: list[tuple[float, bytes]] = []
        self._replayed = 0
        self.started = time.monotonic()
        super().__init__(argv, columns=120, rows=40, env=env)

    def __enter__(self) -> TimedTerminal:
        return self

    def _feed(self, data: bytes) -> None:
        self._arrivals.append((time.monotonic(), data))

    def reached(
        self, shown: Callable[[str], bool], *, timeout_s: float = 30.0
    ) -> float:
        """Wait until the screen satisfies `shown`; return the seconds from the start.

        The time is that of the write which brought it about, however late it is
        looked at.

        Raises:
            AssertionError: It did not within `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._wait_for_a_pause(deadline)
            while self._replayed < len(self._arrivals):
                came, data = self._arrivals[self._replayed]
                self._replayed += 1
                super()._feed(data)
                if shown(self.text()):
                    return came - self.started
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout_s} s:\n{self.text()}")

    def now(self) -> str:
        """Return the screen as it is, everything that has come included."""
        for _, data in self._arrivals[self._replayed :]:
            super()._feed(data)
            self._replayed += 1
        return self.text()

    def _wait_for_a_pause(self, deadline: float) -> None:
        seen = -1
        while seen != len(self._arrivals) and time.monotonic() < deadline:
            seen = len(self._arrivals)
            self._stop.wait(_BURST_S)

    def frame_end(self, since: float, *, timeout_s: float = 10.0) -> float:
        """Wait for a frame that is written after `since`, and for its end.

        Raises:
            AssertionError: Nothing was written within `timeout_s`.
        """
        deadline = since + timeout_s
        while not (self._arrivals and self._arrivals[-1][0] > since):
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer within {timeout_s} s:\n{self.now()}")
            self._stop.wait(0.002)
        self._wait_for_a_pause(deadline)
        return self._arrivals[-1][0]

    def last_change(self, of: Callable[[str], object]) -> float:
        """Return when what `of` reads on the screen last became another, of the
        writes not yet looked at; 0.0 where it did not.
        """
        changed, before = 0.0, of(self.text())
        while self._replayed < len(self._arrivals):
            came, data = self._arrivals[self._replayed]
            self._replayed += 1
            super()._feed(data)
            if (seen := of(self.text())) != before:
                changed, before = came, seen
        return changed

    def bytes_over(self, seconds: float) -> int:
        """Return how many bytes are written in the next `seconds`."""
        before = len(self.received)
        self._stop.wait(seconds)
        return len(self.received) - before


def is_full(screen: str) -> bool:
    """Tell whether first and last line are painted: header and footer are there."""
    lines = screen.split("\n")
    return bool(lines[0].strip()) and bool(lines[-1].strip())
