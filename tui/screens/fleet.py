"""The first screen: every tenant, the selected one in full, the meter events."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.timer import Timer

from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.fleet import FleetChange, SortKey
from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui import phrases
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.finding import FindingScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.detail import TenantDetail
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.placeholder import Placeholder
from meterdeck.tui.widgets.remembered_columns import RememberedColumns
from meterdeck.tui.widgets.tenant_table import TenantTable

if TYPE_CHECKING:
    from meterdeck.tui.bulk import BulkOverride
    from meterdeck.tui.dialogs.columns import Columns
    from meterdeck.tui.requests import Request
    from meterdeck.tui.taking.sheets import Sheet

REST_S = 0.12
"""The detail follows the cursor when it rests: not at each line of a held key."""


class FleetScreen(FindingScreen):
    """The tenants."""

    AREA = Area.FLEET
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.FLEET)]

    def __init__(self, *, jump: bool = False) -> None:
        super().__init__()
        self._jump = jump
        self._rest: Timer | None = None
        self._bulk: BulkOverride | None = None
        self._watching: Timer | None = None

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield Placeholder()
        yield TenantTable(jump=self._jump)
        with Horizontal(id="below"):
            yield TenantDetail()
            yield EventLog()
        yield KeyBar(self.AREA)
        # Last: a widget that comes and goes moves those after it, and all they show.
        yield FilterBar()

    def on_mount(self) -> None:
        self.query_one(TenantTable).display = False

    # -- the picture -----------------------------------------------------------

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self._give_room(picture)
        table = self.query_one(TenantTable)
        memory = self.console.memory
        table.groups.recall(memory.get("groups"))
        table.set_columns(RememberedColumns(memory, picture.context.name).read()[0])
        table.open(picture)
        self.place(picture)
        if typed := self.query_one(FilterBar).text:  # before there was anything
            self.narrow(typed, picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        table = self.query_one(TenantTable)
        if change.columns:
            self._give_room(picture)
        table.take(change)
        table.set_stale(picture.stale)
        self.place(picture)
        self._detail()
        self.query_one(EventLog).show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self._give_room(picture)
        table = self.query_one(TenantTable)
        table.rearrange()
        table.set_stale(picture.stale)
        self.place(picture)
        self._detail()
        self.query_one(EventLog).show(picture)

    def _give_room(self, picture: Picture) -> None:
        """Make the lower part as high as the counters need, within reason."""
        wanted = 2 * len(picture.fleet.resources) + 4
        self.query_one("#below").styles.max_height = min(max(wanted, 8), 14)

    def place(self, picture: Picture) -> None:
        """Show the table, or why there is none."""
        table, placeholder = self.query_one(TenantTable), self.query_one(Placeholder)
        empty = not table.list.rows
        if empty:
            title, advice, sketch = self._explain(picture, table.filter)
            placeholder.say(title, advice, sketch=sketch)
        if placeholder.display != empty or table.display == empty:
            placeholder.display = empty
            table.display = not empty
            if not empty and self.focused is None:
                table.focus()

    @staticmethod
    def _explain(picture: Picture, text: str) -> tuple[str, str, bool]:
        if text and len(picture.fleet):
            return (
                f"no tenant has “{visible(text, 40)}”",
                "Esc drops the filter; words are looked for in names, ids, plan"
                " and status",
                False,
            )
        if picture.redis.reach is Reach.DOWN:
            return "waiting for Redis", "the tenants appear when it answers", True
        if not picture.loaded:
            return f"reading {visible(picture.context.name)} …", "", True
        if picture.stripe.reach is Reach.CONNECTING:
            return "no counters yet, reading the customers from Stripe …", "", True
        if picture.context.stripe is None:
            return (
                "no tenants yet",
                "they appear with their first counter, named by the key template "
                + visible(picture.context.redis.layout.template, 80),
                False,
            )
        return (
            "no tenants yet",
            "create a subscription in Stripe, or count something:"
            " tenants appear by themselves",
            False,
        )

    def on_tenant_table_selected(self, message: TenantTable.Selected) -> None:
        # Not at once: over SSH, a held key would send the panel for each line.
        if self._rest is None:
            self._rest = self.set_timer(REST_S, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self._detail()
        self.look_closely()

    def looked(self, picture: Picture) -> None:
        self._detail()

    def _detail(self) -> None:
        picture = self.console.picture
        if picture is not None and self._rest is None:
            selected = self.query_one(TenantTable).selected
            self.query_one(TenantDetail).show(picture, selected)

    def on_tenant_table_arranged(self) -> None:
        picture, table = self.console.picture, self.query_one(TenantTable)
        if picture is None:
            return
        self.place(picture)
        self.console.focus_on(table.shown_tenants())
        self._show_note()
        shown = phrases.counted(len(table.ordered), "tenant")
        self.query_one(FilterBar).count(shown)

    def _show_note(self) -> None:
        table = self.query_one(TenantTable)
        self.query_one(StatusHeader).note(self._note(table))

    def _note(self, table: TenantTable) -> str:
        if self._bulk is not None:
            progress = self._bulk.progress
            return f"overriding {progress.tried:,} of {progress.total:,} …"
        places, total = table.list, len(table.ordered)
        if not total:
            return ""
        last = min(places.top + places.height, total)
        parts = [f"{places.top + 1:,}–{last:,} of {total:,}"]
        if table.groups.made:
            parts = [f"{total:,} in {phrases.counted(len(table.groups.made), 'group')}"]
        if table.filter:
            parts.insert(0, f"“{visible(table.filter, 24)}”")
        if table.order.key != SortKey.WORST or table.order.reverse:
            parts.insert(0, f"by {visible(table.order.key, 20)} {table.order.mark}")
        if table.marks:
            parts.insert(0, f"● {len(table.marks):,} marked")
        return " · ".join(parts)

    # -- actions ---------------------------------------------------------------

    @property
    def subject(self) -> TenantId | None:
        return self.query_one(TenantTable).selected

    def sheet(self) -> Sheet | None:
        from meterdeck.tui.taking.tenants import tenants_sheet  # noqa: PLC0415  # rare

        table = self.query_one(TenantTable)
        if table.picture is None:
            return None
        return tenants_sheet(table.picture.fleet, table.every_row())

    def on_tenant_table_opened(self) -> None:
        self.action_act("open")

    def do_open(self) -> None:
        if self.subject is not None:
            self.console.open_tenant(self.subject)
        else:
            self.query_one(TenantTable).fold()

    def do_sort(self) -> None:
        from meterdeck.tui.dialogs.sort import SortDialog  # noqa: PLC0415  # rare

        table = self.query_one(TenantTable)
        resources = table.picture.fleet.resources if table.picture else []
        self.app.push_screen(SortDialog(resources, table.order), self._sorted)

    def _sorted(self, key: str | None) -> None:
        if key is not None:
            self.query_one(TenantTable).sort_by(key)

    def do_back(self) -> None:
        table = self.query_one(TenantTable)
        if not self.query_one(FilterBar).clear():
            table.keep_marks(())
        table.focus()

    def do_mark(self) -> None:
        self.query_one(TenantTable).mark()

    def do_mark_all(self) -> None:
        self.query_one(TenantTable).mark_all()

    def ask(self, action: Action) -> None:
        marked = self._marked() if action.id == "override" else []
        if not marked:
            super().ask(action)
            return
        from meterdeck.tui.dialogs.bulk_override import (  # noqa: PLC0415  # rare
            BulkOverrideDialog,
        )

        assert self.console.picture is not None  # the gate has let it pass
        dialog = BulkOverrideDialog(self.console.picture, marked)
        self.app.push_screen(dialog, self._override_all)

    def _marked(self) -> list[Tenant]:
        """Return the marked tenants that are there, the nearest to a limit first."""
        picture, marks = self.console.picture, self.query_one(TenantTable).marks
        if picture is None or not marks:
            return []
        fleet = picture.fleet
        rows = [fleet.row_of(tenant) for tenant in marks.tenants]
        there = fleet.order(
            SortKey.WORST, rows=[row for row in rows if row is not None]
        )
        return [fleet.tenant(row) for row in there]

    def _override_all(self, request: Request | None) -> None:
        from meterdeck.tui.bulk import BulkOverride  # noqa: PLC0415  # rare

        self.console.perform(request)
        if isinstance(request, BulkOverride) and not self.console.barred():
            self._bulk = request
            self._watching = self.set_interval(1.0, self._show_note)

    def answered(self, request: Request) -> None:
        from meterdeck.tui.bulk import BulkOverride  # noqa: PLC0415  # rare

        if not isinstance(request, BulkOverride):
            return
        if self._watching is not None:
            self._watching.stop()
        self._watching = self._bulk = None
        result = request.progress.result
        if result is None:
            self._show_note()
        else:
            self.query_one(TenantTable).keep_marks(who for who, _ in result.failed)

    def do_columns(self) -> None:
        from meterdeck.tui.dialogs.columns import ColumnsDialog  # noqa: PLC0415  # rare

        picture, table = self.console.picture, self.query_one(TenantTable)
        if picture is None:
            return
        name = picture.context.name
        chosen, everywhere = RememberedColumns(self.console.memory, name).read()
        dialog = ColumnsDialog(
            chosen, picture.fleet.resources, width=table.size.width or self.size.width,
            context=name, everywhere=everywhere,
        )  # fmt: skip
        self.app.push_screen(dialog, self._laid_out)

    def _laid_out(self, columns: Columns | None) -> None:
        picture = self.console.picture
        if columns is None or picture is None:
            return
        remembered = RememberedColumns(self.console.memory, picture.context.name)
        remembered.keep(columns.chosen, everywhere=columns.everywhere)
        self.query_one(TenantTable).set_columns(columns.chosen)

    def do_group(self) -> None:
        from meterdeck.tui.dialogs.group import GroupDialog  # noqa: PLC0415  # rare

        by = self.query_one(TenantTable).groups.by
        self.app.push_screen(GroupDialog(by), self._grouped)

    def _grouped(self, by: GroupBy | None) -> None:
        if by is not None:
            self.query_one(TenantTable).group_by(by)
            self.on_tenant_table_folded()

    def on_tenant_table_folded(self) -> None:
        groups = self.query_one(TenantTable).groups
        self.console.memory.put("groups", groups.remembered())
