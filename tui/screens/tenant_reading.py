"""What a screen about one tenant asks the engine, and how often."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.tenant_history import TenantHistory
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

RECORDS_S = 5.0
"""Seconds between two looks at the trail while the screen is open."""
AUDIT_ENTRIES = 100
COST_S = 30.0
"""Seconds between two looks at the cost: Stripe is asked each time."""
HISTORY_S = 15.0
REFUSALS = 100

T = TypeVar("T")


class TenantReading(AreaScreen):
    """Asks for the records, the cost and the history of one tenant.

    One question of a kind at a time, and only while the screen is on top. What was
    known stays on the screen while there is no answer.
    """

    class Told(Message):
        """The engine has answered a question, or could not."""

        def __init__(
            self,
            kind: str,
            future: Future[Any],
            show: Callable[[Any], None],
            fail: Callable[[str], None],
        ) -> None:
            self.kind = kind
            self.future = future
            self.show = show
            self.fail = fail
            super().__init__()

    def __init__(self, tenant: TenantId) -> None:
        super().__init__()
        self._tenant = tenant
        self._asked: set[str] = set()

    @property
    def subject(self) -> TenantId:
        return self._tenant

    def on_mount(self) -> None:
        self.set_interval(RECORDS_S, self.read_records)
        self.set_interval(COST_S, self.reckon)
        self.set_interval(HISTORY_S, self.read_history)
        self.read_records()
        self.look_closely()

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.watch_tenants()
        self.reckon()
        self.read_history()

    def watch_tenants(self) -> None:
        self.console.focus_on([self._tenant])

    def changed(self, tenant: TenantId) -> None:
        self.read_records()
        self.reckon()
        self.read_history()
        self.look_closely()

    # -- what is asked -----------------------------------------------------------

    @property
    @abstractmethod
    def past_wanted(self) -> bool:
        """Whether what only Stripe knows of the past is to be shown."""

    def read_records(self) -> None:
        """Read trail, refusals and overrides."""
        tenant = self._tenant
        self._ask(
            "trail",
            lambda engine: engine.changes.audit(tenant, limit=AUDIT_ENTRIES),
            self.show_trail,
            self.fail_trail,
        )
        self._ask(
            "refusals",
            lambda engine: engine.usage.refusals(tenant, limit=REFUSALS),
            self.show_refusals,
        )
        self._ask(
            "overrides",
            lambda engine: engine.changes.overrides_found(tenant),
            self.show_overrides,
            self.fail_overrides,
        )

    def reckon(self) -> None:
        """Have the cost reckoned; nothing where there is no Stripe, or no tenant."""
        known, picture = self._known(), self.console.picture
        if known is None or picture is None or picture.context.stripe is None:
            return
        self._ask(
            "cost",
            lambda engine: engine.costs.of(known),
            self.show_cost,
            self.fail_cost,
        )

    def read_history(self) -> None:
        """Read the history; nothing where there is no tenant."""
        known, past = self._known(), self.past_wanted
        if known is not None:
            self._ask(
                "history",
                lambda engine: _history(engine, known, past=past),
                self.show_history,
                self.fail_history,
            )

    def _known(self) -> Tenant | None:
        """Return the tenant as the fleet has it; None where it has none."""
        picture = self.console.picture
        row = picture.fleet.row_of(self._tenant) if picture else None
        return picture.fleet.tenant(row) if picture and row is not None else None

    def _ask(
        self,
        kind: str,
        question: Callable[[Engine], Awaitable[T]],
        show: Callable[[T], None],
        fail: Callable[[str], None] = lambda problem: None,
    ) -> None:
        if kind in self._asked or not self.on_top:
            return
        self._asked.add(kind)
        future = self.console.runtime.submit(question)
        tell(self, future, lambda done: self.Told(kind, done, show, fail))

    def on_tenant_reading_told(self, message: Told) -> None:
        self._asked.discard(message.kind)
        error = message.future.exception()
        if error is None:
            message.show(message.future.result())
        elif isinstance(error, MeterdeckError):
            message.fail(str(error))
        else:
            raise error

    # -- what comes back ---------------------------------------------------------

    @abstractmethod
    def show_trail(self, entries: Sequence[AuditEntry]) -> None:
        """Show the newest entries of the trail."""

    @abstractmethod
    def fail_trail(self, problem: str) -> None:
        """Say why the trail cannot be read."""

    @abstractmethod
    def show_refusals(self, refusals: Sequence[RefusalRecord]) -> None:
        """Show the latest refusals."""

    @abstractmethod
    def show_overrides(self, found: Sequence[FoundOverride]) -> None:
        """Show the overrides, also what is none that could be read."""

    @abstractmethod
    def fail_overrides(self, problem: str) -> None:
        """Say why they cannot be read."""

    @abstractmethod
    def show_cost(self, cost: TenantCost) -> None:
        """Show what the running period costs."""

    @abstractmethod
    def fail_cost(self, problem: str) -> None:
        """Say why it cannot be reckoned."""

    @abstractmethod
    def show_history(self, history: TenantHistory) -> None:
        """Show what was used before."""

    @abstractmethod
    def fail_history(self, problem: str) -> None:
        """Say why it cannot be read."""


async def _history(engine: Engine, tenant: Tenant, *, past: bool) -> TenantHistory:
    history = await engine.history.of(tenant)
    if past and engine.stripe_history is not None:
        return await engine.stripe_history.complete(history)
    return history
