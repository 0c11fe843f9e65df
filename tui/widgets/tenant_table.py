"""The tenants, one line each, painted from the fleet; no widget a tenant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Self

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import Fleet, FleetChange
from meterdeck.core.services.fleet_groups import Group, GroupBy
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line
from meterdeck.tui.sort_pace import SortPace
from meterdeck.tui.tenant_groups import TenantGroups
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.tenant_marks import TenantMarks
from meterdeck.tui.themes import Ground, palette
from meterdeck.tui.widgets.group_heading import heading_line
from meterdeck.tui.widgets.table_cells import Cells, Order
from meterdeck.tui.widgets.table_columns import Arrangement, Chosen, fitting
from meterdeck.tui.widgets.table_keys import TABLE_KEYS
from meterdeck.tui.widgets.table_lines import TableLines

__all__ = ["TableLines", "TenantTable"]


class TenantTable(Widget, can_focus=True):
    """The list of tenants with its cursor, order and filter."""

    DEFAULT_CSS = """
    TenantTable { layout: horizontal; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = TABLE_KEYS

    class Selected(Message):
        """The cursor is on another tenant, or on none."""

        def __init__(self, tenant: TenantId | None) -> None:
            self.tenant = tenant
            super().__init__()

    class Opened(Message):
        """A tenant was asked for by a double click."""

    class Arranged(Message):
        """Order, filter, groups, marks or window are others now."""

    class Folded(Message):
        """Other groups are folded now."""

    def __init__(self, *, jump: bool = False) -> None:
        super().__init__()
        self.list = TenantList(jump=jump)
        self.groups = TenantGroups()
        self.marks = TenantMarks()
        self.ordered: Sequence[int] = ()
        self.order = Order()
        self.filter = ""
        self.picture: Picture | None = None
        self.stale = False
        self._chosen: Sequence[Chosen] = ()
        self._layout: Arrangement | None = None
        self._selected: TenantId | None = None
        self._pace = SortPace()
        self._body = TableLines(self)

    # -- the picture -----------------------------------------------------------

    def open(self, picture: Picture) -> None:
        """Show a picture from now on."""
        self.picture = picture
        self.catch_up()

    def take(self, change: FleetChange) -> None:
        """Show what an update changed."""
        self._pace.changed(change)
        everything = change.columns or change.membership
        self._forget(None if everything else change.rows)
        if change.columns:
            self._layout = None
        # An empty table waits for nothing: the first tenants are shown as they come.
        first = change.membership and not self.list.rows
        if first or self._pace.due(pinned=self.list.pinned):
            self.rearrange()
            return
        shown = self.list.shown
        self._repaint([y + 1 for y, row in enumerate(shown) if row in change.rows])

    def set_stale(self, stale: bool) -> None:
        """Dim everything while the picture is old."""
        if stale != self.stale:
            self.stale = stale
            self._body.stale = stale
            self._repaint()

    def catch_up(self) -> None:
        """Show all that changed while nothing was taken."""
        self._forget(None)
        self.rearrange()

    def _forget(self, rows: Collection[int] | None) -> None:
        self._body.forget(rows)

    def rearrange(self) -> None:
        """Filter and sort anew; the cursor stays on its tenant."""
        if self.picture is None:
            return
        with self._pace.sorting(whole=self.picture.loaded):
            self._arrange(self.picture.fleet)
        self._lay_out()
        self._moved()

    def _arrange(self, fleet: Fleet) -> None:
        rows = fleet.search(self.filter) if self.filter else None
        self.ordered = fleet.order(self.order.key, self.order.reverse, rows)
        held = self.groups.of_line(self.list.line) if self._on_heading else None
        lines = self.groups.arrange(fleet, self.ordered)
        self.list.place(lines, self._kept(held))

    @property
    def _on_heading(self) -> bool:
        return self.list.line is not None and self.list.selected is None

    def _kept(self, held: Group | None) -> int | None:
        """Return the line that the cursor stays on: a group's, or the tenant's."""
        if held is not None:
            return self.groups.line_of(held.key)
        if self.picture is None or self._selected is None:
            return None
        row = self.picture.fleet.row_of(self._selected)
        return None if row is None else self.groups.seen(row)

    def _lay_out(self) -> None:
        if self.picture is None or not self.size.width:
            return
        names = [resource.name for resource in self.picture.fleet.resources]
        layout = fitting(self.size.width, self._chosen, names)
        if layout == self._layout:
            return
        self._layout = layout
        self._body.show(Cells(self.picture, layout.placed))

    # -- painting --------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self._body

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Leave out repaints of the container: its lines paint everything, and a
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
        self._body.repaint(lines)

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

    def heading(self, line: int, ground: Ground) -> Line:
        """Return the whole heading of a group."""
        group = self.groups.of_line(line)
        style = palette(self.app.theme, stale=self.stale)
        if group is None:
            return Line()
        folded = self.groups.folded(group)
        return heading_line(self.groups.by, group, ground, style, folded=folded)

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
        return self._tenants(self.list.shown)

    def every_row(self) -> Sequence[int]:
        """Return all rows as they are shown, those of folded groups, too."""
        grouped = [row for group in self.groups.made for row in group.rows]
        return grouped or self.ordered

    def pin(self) -> None:
        """Keep the cursor on its tenant from now on."""
        self.list.pinned = True
        self._pace.moved()

    def set_filter(self, text: str) -> None:
        """Show only tenants that contain `text`."""
        if text != self.filter:
            self.filter = text
            self.rearrange()

    def look(self, text: str, order: Order, by: GroupBy) -> None:
        """Filter, sort and group at once, as a saved view says."""
        self.filter, self.order, self.groups.by = text, order, by
        self.rearrange()

    def sort_by(self, key: str) -> None:
        """Sort by a key; the same key again turns the order round."""
        again = key == self.order.key
        self.order = Order(key, again and not self.order.reverse)
        self.rearrange()

    def group_by(self, by: GroupBy) -> None:
        """Show groups, or none; the cursor stays on its tenant."""
        self.groups.by = by
        self.rearrange()

    def set_columns(self, chosen: Sequence[Chosen]) -> None:
        """Show these columns; none: the automatic layout."""
        self._chosen = chosen
        self._lay_out()
        self._moved()

    def action_fold(self, fold: bool) -> None:
        self.fold(fold=fold)

    def fold(self, *, fold: bool | None = None) -> None:
        """Fold or unfold the group at the cursor; by default whatever it is not."""
        group = self.groups.of_line(self.list.line)
        if group is None or self.groups.folded(group) is fold:
            return
        self.groups.fold(group)
        self.pin()
        folded = self.groups.folded(group)
        at = self.groups.line_of(group.key) if folded else group.rows[0]
        self._refold(at)

    def action_fold_all(self) -> None:
        held = self.groups.of_line(self.list.line) if self._on_heading else None
        self.groups.fold_all()
        self._refold(self._kept(held))

    def _refold(self, at: int | None) -> None:
        if self.groups.made:
            self.list.place(self.groups.lines(), at)
            self._moved()
            self.post_message(self.Folded())

    def is_marked(self, row: int) -> bool:
        """Tell whether a row's tenant is marked."""
        if not self.marks or self.picture is None:
            return False
        return self.picture.fleet.tenant(row).id in self.marks

    def mark(self) -> None:
        """Mark the tenant at the cursor, or all of a folded group, and go on."""
        line = self.list.line
        group = self.groups.of_line(line) if self._on_heading else None
        rows = group.rows if group else () if line is None else (line,)
        self.marks.turn(self._tenants(rows))
        self.action_move(1)

    def mark_all(self) -> None:
        """Mark every tenant that the filter lets pass, or none where all are."""
        self.marks.turn(self._tenants(self.ordered))
        self._moved()

    def keep_marks(self, tenants: Iterable[TenantId]) -> None:
        """Have these tenants marked and no others."""
        self.marks.keep(tenants)
        self._moved()

    def _tenants(self, rows: Iterable[int]) -> list[TenantId]:
        if self.picture is None:
            return []
        return [self.picture.fleet.tenant(row).id for row in rows if row >= 0]

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
        if self.list.shown[line] < 0:
            self.list.cursor = self.list.top + line
            self.fold()
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
