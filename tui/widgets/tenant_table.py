"""The tenants, one line each, painted from the fleet; no widget a tenant.

Each group of columns is a widget of its own: Textual sends a changed line from its
widget's left edge, so a bar that moves costs one column and not the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import ClassVar, Self

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import LineView
from meterdeck.tui.widgets.table_cells import (
    Cells,
    IdentityCells,
    Order,
    ResourceCells,
    TailCells,
)
from meterdeck.tui.widgets.table_layout import Layout, lay_out

RESORT_S = 3.0
"""Least time between two sorts, and after the last key, so that rows keep still."""


class TableColumn(LineView):
    """One group of columns: heading and the rows in the window."""

    DEFAULT_CSS = "TableColumn { height: 1fr; }"

    def __init__(
        self, table: TenantTable, cells: Cells | None, width: int | None = None
    ) -> None:
        super().__init__()
        self._table = table
        self._cells = cells
        self._last = width is None
        self.styles.width = "1fr" if width is None else width

    def draw(self, y: int) -> Strip:
        palette, width = self.palette, self.size.width
        if y == 0:
            line = Line()
            if self._cells:
                line = self._cells.heading(width, self._table.order, palette)
            return line.strip(width, palette.style(Role.MUTED))
        shown = self._table.list.shown
        if y > len(shown):
            return self.blank()
        ground = self._table.ground(y - 1)
        line = Line()
        if self._cells is not None:
            line = self._cells.cell(shown[y - 1], width, ground, palette)
        blank = palette.style(Role.MUTED, ground)
        mark = self._table.scroll_mark(y - 1) if self._last else ""
        if mark:
            line.pad(width - 1, blank).add(mark, palette.style(Role.FAINT, ground))
        return line.strip(width, blank)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.y == 0:
            if self._cells:
                self._table.sort_by(self._cells.key_at(event.x))
        else:
            self._table.click(event.y - 1, twice=event.chain > 1)


class TenantTable(Widget, can_focus=True):
    """The list of tenants with its cursor, order and filter."""

    DEFAULT_CSS = """
    TenantTable { layout: horizontal; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next tenant", key_display="↓ j", show=False),
        Binding("up,k", "move(-1)", "Previous tenant", key_display="↑ k", show=False),
        Binding(
            "pagedown,ctrl+f", "page(1)", "Page down", key_display="PgDn", show=False
        ),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", key_display="PgUp", show=False),
        Binding("g,home", "go(0)", "First tenant", key_display="g", show=False),
        Binding("G,end", "go(-1)", "Last tenant", key_display="G", show=False),
        Binding("W", "sort('worst')", "Sort by the worst", show=False),
        Binding("N", "sort('name')", "Sort by name", show=False),
        Binding("P", "sort('plan')", "Sort by plan", show=False),
        Binding("S", "sort('status')", "Sort by status", show=False),
        Binding("R", "sort('reset')", "Sort by reset date", show=False),
        Binding("T", "sort('trend')", "Sort by trend", show=False),
        *(
            Binding(str(n), f"sort_resource({n})", f"Sort by resource {n}", show=False)
            for n in range(1, 10)
        ),
    ]

    class Selected(Message):
        """The cursor is on another tenant, or on none."""

        def __init__(self, tenant: TenantId | None) -> None:
            self.tenant = tenant
            super().__init__()

    class Opened(Message):
        """A tenant was asked for by a double click."""

    class Arranged(Message):
        """Order, filter or window are others now."""

    def __init__(self, *, jump: bool = False) -> None:
        super().__init__()
        self.list = TenantList(jump=jump)
        self.order = Order()
        self.filter = ""
        self.picture: Picture | None = None
        self.stale = False
        self._layout: Layout | None = None
        self._selected: TenantId | None = None
        self._unsorted = False
        self._sorted_whole = False
        self._sorted_at = 0.0
        self._moved_at = 0.0

    # -- the picture -----------------------------------------------------------

    def open(self, picture: Picture) -> None:
        """Show a picture from now on."""
        self.picture = picture
        self.rearrange()

    def take(self, change: FleetChange) -> None:
        """Show what an update changed."""
        self._unsorted |= bool(change.rows) or change.membership
        if change.columns:
            self._layout = None
        if change.membership or change.columns or self._may_sort():
            self.rearrange()
            return
        shown = self.list.shown
        self._repaint([y + 1 for y, row in enumerate(shown) if row in change.rows])

    def set_stale(self, stale: bool) -> None:
        """Dim everything while the picture is old."""
        if stale != self.stale:
            self.stale = stale
            for column in self.query(TableColumn):
                column.stale = stale
            self._repaint()

    def _may_sort(self) -> bool:
        # While the first counters come in nobody looks for a row in its old place.
        if not self._sorted_whole and not self.list.pinned:
            return self._unsorted
        now = monotonic()
        quiet = min(now - self._moved_at, now - self._sorted_at)
        return self._unsorted and quiet >= RESORT_S

    def rearrange(self) -> None:
        """Filter and sort anew; the cursor stays on its tenant."""
        if self.picture is None:
            return
        fleet = self.picture.fleet
        rows = fleet.search(self.filter) if self.filter else None
        ordered = fleet.order(self.order.key, self.order.reverse, rows)
        kept = fleet.row_of(self._selected) if self._selected is not None else None
        self.list.place(ordered, kept)
        self._unsorted, self._sorted_at = False, monotonic()
        self._sorted_whole |= self.picture.loaded
        self._lay_out()
        self._moved()

    def _lay_out(self) -> None:
        if self.picture is None or not self.size.width:
            return
        layout = lay_out(self.size.width, len(self.picture.fleet.resources))
        if layout == self._layout:
            return
        self._layout = layout
        self.remove_children()
        self.mount_all(self._columns(layout, self.picture))

    def _columns(self, layout: Layout, picture: Picture) -> list[TableColumn]:
        columns = [TableColumn(self, IdentityCells(picture, layout), layout.identity)]
        for number, width in enumerate(layout.cells):
            columns.append(TableColumn(self, ResourceCells(picture, number), width))
        columns.append(TableColumn(self, TailCells(picture, layout)))
        for column in columns:
            column.stale = self.stale
        return columns

    # -- painting --------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TableColumn(self, None)

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Leave out repaints of the container: its columns paint everything, and a
        focus that comes or goes changes none of them.
        """
        if layout or recompose:
            super().refresh(
                *regions, repaint=repaint, layout=layout, recompose=recompose
            )
        return self

    def on_resize(self, event: events.Resize) -> None:
        self.list.resize(event.size.height - 1)
        self._lay_out()
        self._moved()

    def _repaint(self, lines: list[int] | None = None) -> None:
        for column in self.query(TableColumn):
            column.repaint(lines)

    def ground(self, line: int) -> Ground:
        """Return what a line of the window is painted on."""
        on = line == self.list.cursor - self.list.top
        return Ground.CURSOR if on else Ground.BASE

    def scroll_mark(self, line: int) -> str:
        """Return the scroll bar's cell beside a line of the window."""
        total, height = len(self.list.rows), self.list.height
        if total <= height:
            return ""
        size = max(height * height // total, 1)
        start = self.list.top * (height - size) // (total - height)
        return "┃" if start <= line < start + size else ""

    def _moved(self, lines: list[int] | None = None) -> None:
        self._repaint(lines)
        row, fleet = self.list.selected, self.picture and self.picture.fleet
        tenant = fleet.tenant(row).id if fleet and row is not None else None
        if tenant != self._selected:
            self._selected = tenant
            self.post_message(self.Selected(tenant))
        self.post_message(self.Arranged())

    # -- what the operator does ------------------------------------------------

    @property
    def selected(self) -> TenantId | None:
        """The tenant under the cursor."""
        return self._selected

    def shown_tenants(self) -> list[TenantId]:
        """Return the tenants in the window."""
        if self.picture is None:
            return []
        return [self.picture.fleet.tenant(row).id for row in self.list.shown]

    def pin(self) -> None:
        """Keep the cursor on its tenant from now on."""
        self.list.pinned = True
        self._moved_at = monotonic()

    def set_filter(self, text: str) -> None:
        """Show only tenants that contain `text`."""
        if text != self.filter:
            self.filter = text
            self.rearrange()

    def sort_by(self, key: str) -> None:
        """Sort by a key; the same key again turns the order round."""
        again = key == self.order.key
        self.order = Order(key, again and not self.order.reverse)
        self.rearrange()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sort_resource" and self.picture is not None:
            return parameters[0] in range(1, len(self.picture.fleet.resources) + 1)
        return True

    def action_sort(self, key: str) -> None:
        self.sort_by(key)

    def action_sort_resource(self, number: int) -> None:
        resources = self.picture.fleet.resources if self.picture else []
        if number <= len(resources):
            self.sort_by(str(resources[number - 1].name))

    def action_move(self, lines: int) -> None:
        self.pin()
        with self._stepping():
            self.list.move(lines)

    def action_page(self, pages: int) -> None:
        self.pin()
        with self._stepping():
            self.list.page(pages)

    def action_go(self, line: int) -> None:
        self.pin()
        with self._stepping():
            self.list.go(line if line >= 0 else len(self.list.rows) - 1)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        """Repaint after a step: two lines, or all when the window moved."""
        top, cursor = self.list.top, self.list.cursor
        yield
        if self.list.top == top:
            self._moved([cursor - top + 1, self.list.cursor - top + 1])
        else:
            self._moved()

    def click(self, line: int, *, twice: bool) -> None:
        """Select the row at a line of the window; open it at a double click."""
        if line >= len(self.list.shown):
            return
        self.action_go(self.list.top + line)
        if twice:
            self.post_message(self.Opened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-3)

    def _scroll(self, lines: int) -> None:
        self.pin()
        self.list.scroll(lines)
        self._moved()
