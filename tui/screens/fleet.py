"""The first screen: every tenant, the selected one in full, the meter events."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.timer import Timer

from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange, SortKey
from meterdeck.tui import phrases
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.finding import FindingScreen
from meterdeck.tui.screens.fleet_table import TableScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.detail import TenantDetail
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.placeholder import Placeholder
from meterdeck.tui.widgets.tenant_table import TenantTable

if TYPE_CHECKING:
    from meterdeck.tui.taking.sheets import Sheet

REST_S = 0.12
"""The detail follows the cursor when it rests: not at each line of a held key."""
DETAIL_S = 5.0
"""How long the detail of a tenant of which nothing changes is shown as it is: it has
estimates and times left, in minutes at the finest.
"""


class FleetScreen(FindingScreen, TableScreen):
    """The tenants."""

    AREA = Area.FLEET
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.FLEET)]

    def __init__(self, *, jump: bool = False) -> None:
        super().__init__()
        self._jump = jump
        self._rest: Timer | None = None
        self._detailed_at = 0.0

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
        self.recall(picture)
        self.query_one(TenantTable).open(picture)
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
        if self._concerns_detail(picture, change):
            self._detail()
        self.query_one(EventLog).show(picture)

    def _concerns_detail(self, picture: Picture, change: FleetChange) -> bool:
        """Tell whether the detail may look different after a change."""
        if change.membership or change.columns:
            return True
        if monotonic() - self._detailed_at >= DETAIL_S:
            return True
        detail = self.query_one(TenantDetail)
        row = picture.fleet.row_of(detail.tenant) if detail.tenant else None
        return row in change.rows or detail.stale != picture.stale

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self._give_room(picture)
        table = self.query_one(TenantTable)
        table.catch_up()
        table.set_stale(picture.stale)
        self.place(picture)
        self._detail()
        self.query_one(EventLog).show(picture)

    def renumber(self) -> None:
        self.query_one(TenantTable).catch_up()

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
            self._detailed_at = monotonic()
            self.query_one(TenantDetail).show(picture, selected)

    def on_tenant_table_arranged(self) -> None:
        picture, table = self.console.picture, self.query_one(TenantTable)
        if picture is None:
            return
        self.place(picture)
        self.watch_tenants()
        self.show_note()
        shown = phrases.counted(len(table.ordered), "tenant")
        self.query_one(FilterBar).count(shown)

    def watch_tenants(self) -> None:
        # Behind a dialog, too, but a screen in front has tenants of its own.
        if self.console.areas()[-1:] == [self]:
            self.console.focus_on(self.query_one(TenantTable).shown_tenants())

    def show_note(self) -> None:
        table = self.query_one(TenantTable)
        self.query_one(StatusHeader).note(self._note(table))

    def _note(self, table: TenantTable) -> str:
        if running := self.progress_note():
            return running
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
