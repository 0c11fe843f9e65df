"""One tenant: an overview, and each part of it in full."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.seen_readings import SeenReadings
from meterdeck.core.model.tenant_history import TenantHistory
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.tenant_reading import TenantReading
from meterdeck.tui.widgets.audit_log import AuditLog
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.cost_panel import CostPanel
from meterdeck.tui.widgets.detail import TenantDetail
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.history_panel import HistoryPanel
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.refusal_log import RefusalLog
from meterdeck.tui.widgets.section_bar import SectionBar
from meterdeck.tui.widgets.subscription_panel import SubscriptionPanel

SHORT = 32
"""Lines of a terminal below which there is room for two refusals only."""
_HEADING = 2  # lines of the tenant's name and ids


class Section(Enum):
    """What of a tenant is shown; the overview has the essentials of all."""

    OVERVIEW = "overview"
    HISTORY = "history"
    COST = "cost"
    SUBSCRIPTION = "subscription"
    REFUSALS = "refusals"
    EVENTS = "events"
    AUDIT = "audit"


_SECTIONS = tuple(Section)


class TenantScreen(TenantReading):
    """Everything about one tenant, in sections that one walks through."""

    AREA = Area.TENANT
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.TENANT),
        Binding(
            "down,j",
            "choose(1)",
            "Choose what is below, or older",
            show=False,
            id="list_down",
        ),
        Binding(
            "up,k",
            "choose(-1)",
            "Choose what is above, or newer",
            show=False,
            id="list_up",
        ),
        Binding(
            "right_square_bracket,tab,right", "walk(1)", "Next section", show=False
        ),
        Binding(
            "left_square_bracket,shift+tab,left",
            "walk(-1)",
            "Section before",
            show=False,
        ),
    ]
    section = Section.OVERVIEW

    def __init__(self, tenant: TenantId) -> None:
        super().__init__(tenant)
        self._seen = SeenReadings()

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield SectionBar([each.value for each in _SECTIONS])
        yield TenantDetail(id="whole")
        yield HistoryPanel(full=False, id="burn")
        yield HistoryPanel(full=True, id="history")
        yield SubscriptionPanel()
        yield CostPanel()
        with Container(id="records"):
            with Vertical(id="happened"):
                yield RefusalLog()
                yield EventLog()
            yield AuditLog()
        yield KeyBar(self.AREA)

    @property
    def entry(self) -> str | None:
        shown = self.section in (Section.OVERVIEW, Section.AUDIT)
        return self.query_one(AuditLog).chosen if shown else None

    # -- sections ----------------------------------------------------------------

    def action_walk(self, steps: int) -> None:
        place = _SECTIONS.index(self.section) + steps
        self.go(_SECTIONS[place % len(_SECTIONS)])

    def on_section_bar_chosen(self, message: SectionBar.Chosen) -> None:
        self.go(_SECTIONS[message.place])

    def do_history(self) -> None:
        self.go(Section.HISTORY)

    def do_back(self) -> None:
        if self.section is Section.OVERVIEW:
            super().do_back()
        else:
            self.go(Section.OVERVIEW)

    def go(self, section: Section) -> None:
        """Show a section."""
        self.section = section
        self.query_one(SectionBar).choose(_SECTIONS.index(section))
        self._arrange()
        if section is Section.HISTORY:
            self.read_history()

    @property
    def past_wanted(self) -> bool:
        return self.section is Section.HISTORY

    @property
    def _short(self) -> bool:
        return self.size.height < SHORT

    def _arrange(self) -> None:
        """Show what belongs to the section, in the room that it has there."""
        section, short = self.section, self._short
        overview = section is Section.OVERVIEW
        picture = self.console.picture
        resources = len(picture.fleet.resources) if picture else 0
        detail = self.query_one(TenantDetail)
        detail.styles.height = 3 + 2 * resources if overview else _HEADING
        burn = self.query_one("#burn", HistoryPanel)
        burn.styles.height = 1 + resources
        burn.display = overview and not short
        self.query_one("#history").display = section is Section.HISTORY
        subscription = self.query_one(SubscriptionPanel)
        subscription.display = section is Section.SUBSCRIPTION
        cost = self.query_one(CostPanel)
        cost.stand(shown=overview, full=section is Section.COST, short=short)
        refusals, events = self.query_one(RefusalLog), self.query_one(EventLog)
        full = section is Section.REFUSALS
        refusals.stand(shown=overview, full=full, short=short)
        events.display = overview or section is Section.EVENTS
        trail = self.query_one(AuditLog)
        trail.display = overview or section is Section.AUDIT
        self.query_one("#happened").display = section is not Section.AUDIT
        happened = (Section.REFUSALS, Section.EVENTS, Section.AUDIT)
        self.query_one("#records").display = overview or section in happened

    def action_choose(self, lines: int) -> None:
        match self.section:
            case Section.HISTORY:
                self.query_one("#history", HistoryPanel).choose(lines)
            case Section.REFUSALS:
                self.query_one(RefusalLog).scroll_by(lines)
            case Section.EVENTS:
                self.query_one(EventLog).choose(lines)
            case _:
                self.query_one(AuditLog).choose(lines)

    # -- the picture -------------------------------------------------------------

    def on_mount(self) -> None:
        self.query_one(EventLog).tenant = self._tenant

    def on_resize(self) -> None:
        # Not yet where the terminal changes while the screen is being made.
        if self.query(CostPanel):
            self._arrange()

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self._arrange()
        self._show(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self._show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self._show(picture)

    def _show(self, picture: Picture) -> None:
        self.query_one(TenantDetail).show(picture, self._tenant)
        self.query_one(SubscriptionPanel).show(picture, self._tenant)
        self.query_one(EventLog).show(picture)

    def looked(self, picture: Picture) -> None:
        self.query_one(TenantDetail).show(picture, self._tenant)

    # -- what was read -----------------------------------------------------------

    def show_trail(self, entries: Sequence[AuditEntry]) -> None:
        self.query_one(AuditLog).show(entries, self.console.picture)

    def fail_trail(self, problem: str) -> None:
        self.query_one(AuditLog).fail(problem)

    def show_refusals(self, refusals: Sequence[RefusalRecord]) -> None:
        if self.console.picture is not None:
            self.query_one(RefusalLog).show(refusals, self.console.picture)

    def show_overrides(self, found: Sequence[FoundOverride]) -> None:
        self.query_one(SubscriptionPanel).overridden(found)

    def fail_overrides(self, problem: str) -> None:
        self.query_one(SubscriptionPanel).fail_overrides(problem)

    def show_cost(self, cost: TenantCost) -> None:
        if self.console.picture is not None:
            self.query_one(CostPanel).show(cost, self.console.picture)
            self.query_one(SubscriptionPanel).read(cost)

    def fail_cost(self, problem: str) -> None:
        self.query_one(CostPanel).fail(problem)
        self.query_one(SubscriptionPanel).fail(problem)

    def show_history(self, history: TenantHistory) -> None:
        self._seen.take(history)
        with_seen = self._seen.completed(history)
        for panel in self.query(HistoryPanel):
            panel.show(with_seen)

    def fail_history(self, problem: str) -> None:
        for panel in self.query(HistoryPanel):
            panel.fail(problem)

    # -- actions -----------------------------------------------------------------

    def do_what_if(self) -> None:
        from meterdeck.tui.dialogs.what_if import WhatIfDialog  # noqa: PLC0415  # rare

        picture, cost = self.console.picture, self.query_one(CostPanel).cost
        if picture is None or cost is None or cost.problem:
            why = cost.problem if cost else "its cost is not reckoned yet"
            self.console.say(why, title="what if", severity="warning")
            return
        self.app.push_screen(WhatIfDialog(picture, cost))
