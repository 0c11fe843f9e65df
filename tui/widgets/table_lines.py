"""The lines of the tenant table: its heading, and the rows in its window.

All columns are in one widget: a widget for each would have Textual send less of a line
that changes, which the driver sees to anyway, and paint seven times as many pieces.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from rich.style import Style
from textual import events
from textual.strip import Strip

from meterdeck.tui.render import Line
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.line_view import LineView
from meterdeck.tui.widgets.table_cells import Cells, Order
from meterdeck.tui.widgets.table_layout import MARKER

_KEPT = 400
"""Lines that are kept: those of some windows, on both grounds."""


class Table(Protocol):
    """What the lines know of their table."""

    list: TenantList
    order: Order

    def ground(self, line: int) -> Ground:
        """Return what a line of the window is painted on."""

    def scroll_mark(self, line: int) -> str:
        """Return the scroll bar's cell beside a line of the window."""

    def is_marked(self, row: int) -> bool:
        """Tell whether a row's tenant is marked."""

    def heading(self, line: int, ground: Ground) -> Line:
        """Return the whole heading of a group."""

    def sort_by(self, key: str) -> None:
        """Sort by a key."""

    def click(self, line: int, *, twice: bool) -> None:
        """Take a click on a line of the window."""


class TableLines(LineView):
    """Heading and the rows in the window."""

    DEFAULT_CSS = "TableLines { height: 1fr; width: 1fr; }"

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table
        self._cells: Cells | None = None
        self._kept: dict[tuple[object, ...], Strip] = {}
        self._kept_for: tuple[object, ...] = ()

    def show(self, cells: Cells) -> None:
        """Paint other columns from now on."""
        self._cells = cells
        self.forget()

    def draw(self, y: int) -> Strip:
        palette, width = self.palette, self.size.width
        if y == 0:
            return self._titles().strip(width, palette.style(Role.MUTED))
        shown = self._table.list.shown
        if y > len(shown):
            return self.blank()
        row, ground = shown[y - 1], self._table.ground(y - 1)
        mark = self._table.scroll_mark(y - 1)
        if row < 0 or self._cells is None or self._cells.tells_time:
            return self._line(row, ground, mark)
        key = (row, ground, mark, self._table.is_marked(row))
        strip = self._keep(palette, width).get(key)
        if strip is None:
            strip = self._kept[key] = self._line(row, ground, mark)
        return strip

    def forget(self, rows: Collection[int] | None = None) -> None:
        """Draw rows anew the next time, all by default: they say something else."""
        if rows is None:
            self._kept.clear()
        elif self._kept:
            for key in [key for key in self._kept if key[0] in rows]:
                del self._kept[key]

    def _keep(self, palette: Palette, width: int) -> dict[tuple[object, ...], Strip]:
        """Return the lines kept for one look; more than a few windows are not."""
        look = (palette, width, self._cells and self._cells.minute)
        if look != self._kept_for or len(self._kept) > _KEPT:
            self._kept.clear()
            self._kept_for = look
        return self._kept

    def _line(self, row: int, ground: Ground, mark: str) -> Strip:
        palette, room = self.palette, self.size.width - len(mark)
        blank = palette.style(Role.MUTED, ground)
        strip = self._row(row, ground).strip(room, blank)
        if row < 0:
            whole = self._table.heading(row, ground)
            strip = whole.strip(room, blank)
        if mark:
            bar = Line().add(mark, palette.style(Role.FAINT, ground)).strip(1, blank)
            strip = Strip.join([strip, bar])
        return strip

    def _titles(self) -> Line:
        line = Line().add(" " * MARKER, self.palette.style(Role.MUTED))
        if self._cells is not None:
            self._cells.heading(line, self._table.order, self.palette)
        return line

    def _row(self, row: int, ground: Ground) -> Line:
        line, palette = Line(), self.palette
        if row < 0 or self._cells is None:
            return line
        line.add(*self._marks(row, ground))
        return self._cells.add(line, row, ground, palette)

    def _marks(self, row: int, ground: Ground) -> tuple[str, Style]:
        """Return the signs in front of a row: the cursor, and whether it is marked."""
        on, marked = ground is Ground.CURSOR, self._table.is_marked(row)
        style = self.palette.style(Role.ACCENT if on or marked else Role.TEXT, ground)
        sign = "●" if marked else " "
        return f"▌{sign}" if on else f"{sign} ", style

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.y:
            self._table.click(event.y - 1, twice=event.chain > 1)
        elif self._cells and (key := self._cells.key_at(event.x - MARKER)):
            self._table.sort_by(key)
