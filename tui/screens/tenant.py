"""One tenant: every counter in full, its meter events, its audit trail."""

from __future__ import annotations

from concurrent.futures import Future
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.audit_log import AuditLog
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.cost_panel import CostPanel
from meterdeck.tui.widgets.detail import TenantDetail
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.refusal_log import RefusalLog

AUDIT_S = 5.0
"""Seconds between two looks at the trail while the screen is open."""
AUDIT_ENTRIES = 100
COST_S = 30.0
"""Seconds between two looks at the cost: Stripe is asked each time."""
REFUSALS = 10
SHORT = 32
"""Lines of a terminal below which there is room for two refusals only."""


class TenantScreen(AreaScreen):
    """Everything about one tenant."""

    AREA = Area.TENANT
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.TENANT),
        Binding("down,j", "choose(1)", "Choose an older audit entry", show=False),
        Binding("up,k", "choose(-1)", "Choose a newer audit entry", show=False),
    ]

    class Refused(Message):
        """The refusals were read, or could not be."""

        def __init__(self, future: Future[tuple[RefusalRecord, ...]]) -> None:
            self.future = future
            super().__init__()

    class Trail(Message):
        """The audit trail was read, or could not be."""

        def __init__(self, future: Future[tuple[AuditEntry, ...]]) -> None:
            self.future = future
            super().__init__()

    class Costed(Message):
        """The running period's cost was reckoned, or could not be."""

        def __init__(self, future: Future[TenantCost]) -> None:
            self.future = future
            super().__init__()

    def __init__(self, tenant: TenantId) -> None:
        super().__init__()
        self._tenant = tenant
        self._reading = False
        self._reckoning = False

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield TenantDetail(id="whole")
        yield CostPanel()
        with Container(id="records"):
            with Vertical(id="happened"):
                yield RefusalLog()
                yield EventLog()
            yield AuditLog()
        yield KeyBar(self.AREA)

    @property
    def subject(self) -> TenantId:
        return self._tenant

    @property
    def entry(self) -> str | None:
        return self.query_one(AuditLog).chosen

    def action_choose(self, entries: int) -> None:
        self.query_one(AuditLog).choose(entries)

    def on_mount(self) -> None:
        self.query_one(EventLog).tenant = self._tenant
        self.set_interval(AUDIT_S, self._read_records)
        self.set_interval(COST_S, self._reckon)
        self._read_records()
        self.look_closely()

    def open(self, picture: Picture) -> None:
        super().open(picture)
        detail = self.query_one(TenantDetail)
        detail.styles.height = 3 + 2 * len(picture.fleet.resources)
        detail.show(picture, self._tenant)
        self.query_one(EventLog).show(picture)
        self.console.focus_on([self._tenant])
        self._reckon()

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self.query_one(TenantDetail).show(picture, self._tenant)
        self.query_one(EventLog).show(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.query_one(TenantDetail).show(picture, self._tenant)
        self.query_one(EventLog).show(picture)

    def changed(self, tenant: TenantId) -> None:
        self._read_records()
        self._reckon()
        self.look_closely()

    def looked(self, picture: Picture) -> None:
        self.query_one(TenantDetail).show(picture, self._tenant)

    def _read_records(self) -> None:
        self._read_trail()
        tenant = self._tenant
        future = self.console.runtime.submit(
            lambda engine: engine.usage.refusals(tenant, limit=REFUSALS)
        )
        tell(self, future, self.Refused)

    def on_tenant_screen_refused(self, message: Refused) -> None:
        picture, error = self.console.picture, message.future.exception()
        if error is None and picture is not None:
            self.query_one(RefusalLog).show(
                message.future.result(), picture, short=self.size.height < SHORT
            )
        elif error is not None and not isinstance(error, MeterdeckError):
            raise error

    def _reckon(self) -> None:
        """Have the cost reckoned; nothing where there is no Stripe, or no tenant."""
        picture = self.console.picture
        row = picture.fleet.row_of(self._tenant) if picture else None
        if picture is None or row is None or picture.context.stripe is None:
            return
        if self._reckoning or not self.on_top:
            return
        self._reckoning = True
        tenant = picture.fleet.tenant(row)
        future = self.console.runtime.submit(lambda engine: engine.costs.of(tenant))
        tell(self, future, self.Costed)

    def on_tenant_screen_costed(self, message: Costed) -> None:
        self._reckoning = False
        picture, error = self.console.picture, message.future.exception()
        panel = self.query_one(CostPanel)
        if error is None and picture is not None:
            short = self.size.height < SHORT
            panel.show(message.future.result(), picture, short=short)
        elif isinstance(error, MeterdeckError):
            panel.fail(str(error))
        elif error is not None:
            raise error

    def on_resize(self) -> None:
        picture = self.console.picture
        # None yet where the terminal changes while the screen is being made.
        for panel in self.query(CostPanel):
            if panel.cost is not None and picture is not None:
                panel.show(panel.cost, picture, short=self.size.height < SHORT)

    def do_what_if(self) -> None:
        from meterdeck.tui.dialogs.what_if import WhatIfDialog  # noqa: PLC0415  # rare

        picture, cost = self.console.picture, self.query_one(CostPanel).cost
        if picture is None or cost is None or cost.problem:
            why = cost.problem if cost else "its cost is not reckoned yet"
            self.console.say(why, title="what if", severity="warning")
            return
        self.app.push_screen(WhatIfDialog(picture, cost))

    def _read_trail(self) -> None:
        if self._reading:
            return
        self._reading = True
        tenant = self._tenant
        future = self.console.runtime.submit(
            lambda engine: engine.changes.audit(tenant, limit=AUDIT_ENTRIES)
        )
        tell(self, future, self.Trail)

    def on_tenant_screen_trail(self, message: Trail) -> None:
        self._reading = False
        error = message.future.exception()
        if error is None:
            self.query_one(AuditLog).show(message.future.result(), self.console.picture)
        elif isinstance(error, MeterdeckError):
            self.query_one(AuditLog).fail(str(error))
        else:
            raise error
