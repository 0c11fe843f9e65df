"""Some columns of the tenant table, in a widget of their own.

Textual sends a changed line from its widget's left edge, so a bar that moves costs one
column and not the row.
"""

from __future__ import annotations

from typing import Protocol

from rich.style import Style
from textual import events
from textual.strip import Strip

from meterdeck.tui.render import Line
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView
from meterdeck.tui.widgets.table_cells import Cells, Order
from meterdeck.tui.widgets.table_layout import MARKER


class Table(Protocol):
    """What a column knows of its table."""

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


class TableColumn(LineView):
    """Heading and the rows in the window.

    Args:
        cells: The columns; None before there is a picture.
        start: Where it begins in the table; the first one has the marks, too.
        last: It takes the room that is left, and has the scroll bar.
    """

    DEFAULT_CSS = "TableColumn { height: 1fr; }"

    def __init__(
        self, table: Table, cells: Cells | None, start: int = 0, *, last: bool = True
    ) -> None:
        super().__init__()
        self._table = table
        self._cells = cells
        self._start = start
        self._last = last
        self._marker = 0 if start else MARKER
        width = self._marker + (cells.width if cells else 0)
        self.styles.width = "1fr" if last else width

    def draw(self, y: int) -> Strip:
        palette, width = self.palette, self.size.width
        if y == 0:
            return self._titles().strip(width, palette.style(Role.MUTED))
        shown = self._table.list.shown
        if y > len(shown):
            return self.blank()
        ground = self._table.ground(y - 1)
        blank = palette.style(Role.MUTED, ground)
        mark = self._table.scroll_mark(y - 1) if self._last else ""
        room = width - len(mark)
        strip = self._row(shown[y - 1], ground).strip(room, blank)
        if shown[y - 1] < 0:
            whole = self._table.heading(shown[y - 1], ground)
            end = self._start + room
            strip = whole.strip(end, blank).crop(self._start, end)
        if mark:
            bar = Line().add(mark, palette.style(Role.FAINT, ground)).strip(1, blank)
            strip = Strip.join([strip, bar])
        return strip

    def _titles(self) -> Line:
        line = Line().add(" " * self._marker, self.palette.style(Role.MUTED))
        if self._cells is not None:
            self._cells.heading(line, self._table.order, self.palette)
        return line

    def _row(self, row: int, ground: Ground) -> Line:
        line, palette = Line(), self.palette
        if row < 0 or self._cells is None:
            return line
        if self._marker:
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
        elif self._cells and (key := self._cells.key_at(event.x - self._marker)):
            self._table.sort_by(key)
