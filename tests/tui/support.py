"""A fleet that looks like one, and an engine that answers from a script.

The console's seam is its `Runtime`: here updates are pushed by the test and jobs run
at once, on an engine that remembers what it was asked.
"""

from __future__ import annotations

from array import array
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar, cast

from textual.pilot import Pilot

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    Adjustment,
    AuditEntry,
    Override,
)
from meterdeck.core.model.context import (
    Context,
    Mode,
    RedisOptions,
    Secret,
    StripeOptions,
)
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.fleet_update import (
    CounterBatch,
    Health,
    OverrideChange,
    Reach,
    WatchUpdate,
)
from meterdeck.core.model.periods import Cycle, Interval, PeriodKind
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    Plan,
    PlanName,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
)
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.runtime import Deliver, Ended, Opened

T = TypeVar("T")

NOW = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
ACTOR = Actor("ana", "ssh 10.0.0.5")
API = Resource(ResourceName("api_calls"), "API calls", "call", meter="api_requests")
STORAGE = Resource(
    ResourceName("storage_gb"), "Storage", "GB", scale=3, meter="storage",
    period=PeriodKind.BILLING_CYCLE,
)  # fmt: skip
IMAGES = Resource(ResourceName("images"), "Images", "image", meter="images")
RESOURCES = (API, STORAGE, IMAGES)
LIMITS: dict[str, dict[ResourceName, int | None]] = {
    "free": {API.name: 1_000, STORAGE.name: 1_000, IMAGES.name: 50},
    "pro": {API.name: 100_000, STORAGE.name: 50_500, IMAGES.name: 5_000},
    "team": {API.name: 500_000, STORAGE.name: 250_000, IMAGES.name: 20_000},
    "scale": {API.name: None, STORAGE.name: 2_000_000, IMAGES.name: None},
}


def context(
    mode: Mode = Mode.SANDBOX, *, read_only: bool = False, name: str = ""
) -> Context:
    """Return a context as settings would give it."""
    return Context(
        name=name or ("sandbox" if mode is Mode.SANDBOX else "staging"),
        mode=mode,
        read_only=read_only,
        redis=RedisOptions("redis://127.0.0.1:6379", password=Secret("redis-secret")),
        stripe=StripeOptions(Secret("sk_test_planted_key")),
        resources=RESOURCES,
        plans={
            PlanName(name): Plan(PlanName(name), name.title(), limits)
            for name, limits in LIMITS.items()
        },
        default_plan=PlanName("free"),
    )


NAMES = (
    "Northwind Traders", "Acme Robotics", "Lumen & Oak", "Blue Harbor Logistics",
    "Paperplane", "Kestrel Analytics", "Fjord Media", "株式会社みどり", "Quanta Foods",
    "Atelier Łódź", "Redwood Health", "Nimbus Weather", "Orchard Payroll",
    "Silverline Rail", "Tidal Energy", "Umbra Security", "Verdant Farms",
    "Wavelength Audio", "Xylo Instruments", "Yonder Travel", "Zephyr Airships",
    "Cobalt Mining", "Driftwood Games", "Emberline", "Foxglove Labs", "Granite Bank",
)  # fmt: skip


def believable(count: int = 26) -> tuple[Tenant, ...]:
    """Return tenants of every plan and status, the same ones each time."""
    plans = ("pro", "team", "free", "pro", "scale")
    statuses = dict.fromkeys(range(count), TenantStatus.ACTIVE)
    statuses |= {3: TenantStatus.PAST_DUE, 6: TenantStatus.TRIALING}
    statuses |= {9: TenantStatus.UNPAID, 14: TenantStatus.CANCELED}
    return tuple(
        tenant(
            f"t{n:04}" if n >= len(NAMES) else _slug(NAMES[n], n),
            NAMES[n] if n < len(NAMES) else f"{NAMES[n % len(NAMES)]} {n}",
            plan=plans[n % len(plans)],
            status=statuses[n],
        )
        for n in range(count)
    )


def _slug(name: str, number: int) -> str:
    words = "".join(ch if ch.isascii() and ch.isalnum() else " " for ch in name)
    return "_".join(words.lower().split()) or f"tenant_{number}"


def tenant(
    id: str,
    name: str = "",
    *,
    plan: str = "pro",
    status: TenantStatus = TenantStatus.ACTIVE,
) -> Tenant:
    """Return one tenant with a subscription."""
    digest = f"{abs(hash_of(id)):014x}"[:14]
    return Tenant(
        TenantId(id),
        name or id,
        customer=f"cus_{digest}",
        subscription=f"sub_1Q{digest}",
        plan=PlanName(plan),
        status=status,
        limits=LIMITS[plan],
        cycle=Cycle(
            datetime(2026, 1, 1 + hash_of(id) % 27, tzinfo=UTC), Interval.MONTH
        ),
    )


def hash_of(text: str) -> int:
    """Return a number that is the same in every run."""
    return int.from_bytes(text.encode("utf-8", "surrogatepass").ljust(8, b"x")[:8],
                          "big") * 2654435761 % 2**48  # fmt: skip


SHARES = (104, 97, 88, 74, 66, 58, 93, 52, 47, 41, 39, 33, 28, 22, 17, 12, 9, 31,
          6, 4, 3, 2, 1, 0, 44, 71)  # fmt: skip


def used_of(owner: Tenant, place: int, column: int, moved: int = 0) -> int:
    """Return a counter that makes a good picture."""
    limit = owner.limits[RESOURCES[column].name]
    share = SHARES[(place * (column + 1) + column * 11) % len(SHARES)]
    if limit is None:
        return 1_250_000 * (place + 1) + moved
    return limit * share // 100 + (moved if share < 90 else 0)


OK = Health(Reach.OK, latency_ms=0.4, last_ok=NOW)
STRIPE_OK = Health(Reach.OK, latency_ms=84.0, last_ok=NOW)


def counters(
    column: int,
    values: Mapping[TenantId, int | Broken],
    resources: Sequence[Resource] = RESOURCES,
) -> CounterBatch:
    """Return a batch of one resource's counters."""
    broken = {
        place: value
        for place, value in enumerate(values.values())
        if isinstance(value, Broken)
    }
    numbers = [0 if isinstance(value, Broken) else value for value in values.values()]
    return CounterBatch(resources[column], tuple(values), array("q", numbers), broken)


def update(
    at: datetime = NOW, *, redis: Health = OK, stripe: Health = STRIPE_OK, **parts: Any
) -> WatchUpdate:
    """Return an update; without parts nothing changed."""
    parts.setdefault("counters_at", at if redis.reach is Reach.OK else None)
    return WatchUpdate(at=at, redis=redis, stripe=stripe, **parts)


def first_picture(tenants: Sequence[Tenant], at: datetime = NOW) -> WatchUpdate:
    """Return everything at once: tenants, counters, one override, some events."""
    batches = tuple(
        counters(
            column,
            {t.id: used_of(t, place, column) for place, t in enumerate(tenants)},
        )
        for column in range(len(RESOURCES))
    )
    overrides: tuple[OverrideChange, ...] = ()
    if len(tenants) > 5:
        limit = Limit(120_000, LimitSource.OVERRIDE)
        expires = at + timedelta(days=5, hours=3)
        overrides = (OverrideChange(tenants[3].id, API.name, limit, expires),)
    return update(
        at,
        tenants=tuple(tenants),
        counters=batches,
        overrides=overrides,
        events=tuple(events(tenants, at, 14)),
    )


def events(
    tenants: Sequence[Tenant], at: datetime, count: int
) -> Iterator[LoggedEvent]:
    """Yield meter events of every outcome, oldest first."""
    outcomes = [EventOutcome.ACCEPTED] * 9
    outcomes[4:6] = [EventOutcome.DUPLICATE, EventOutcome.REFUSED]
    for number in range(count):
        outcome = outcomes[number % len(outcomes)]
        refused = outcome is EventOutcome.REFUSED
        yield logged(
            tenants[number * 7 % len(tenants)],
            RESOURCES[number % 3],
            str(17 * number + 3),
            at - timedelta(seconds=3 * (count - number)),
            outcome=outcome,
            message="no meter named images" if refused else "",
        )


def logged(
    owner: Tenant,
    resource: Resource = API,
    value: str = "1",
    at: datetime = NOW,
    *,
    outcome: EventOutcome = EventOutcome.ACCEPTED,
    message: str = "",
) -> LoggedEvent:
    """Return one line of the delivery log."""
    stamp = int(at.timestamp() * 1000)
    sent = MeterEvent(resource.meter, f"md-{stamp}", owner.customer, value, at)
    return LoggedEvent(
        f"{stamp}-0", at, EventSource.WORKER, outcome, owner.id, resource.name, sent,
        message, "req_1", 12 + stamp // 1000 % 40,
    )  # fmt: skip


@dataclass
class ScriptedEngine:
    """Answers what the console asks an engine, and keeps what it was asked.

    Attributes:
        error: Raised by the next change, once.
        before: The value a change finds.
    """

    before: int = 93_000
    error: MeterdeckError | None = None
    adjusted: list[tuple[Adjustment, str]] = field(default_factory=list)
    overridden: list[tuple[str, int | None, str]] = field(default_factory=list)
    cleared: list[tuple[str, str]] = field(default_factory=list)
    fired: list[tuple[str, int, bool]] = field(default_factory=list)
    trail: tuple[AuditEntry, ...] = ()

    @property
    def changes(self) -> ScriptedEngine:
        return self

    @property
    def test_events(self) -> ScriptedEngine:
        return self

    def _raise(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error

    async def adjust(
        self, adjustment: Adjustment, *, actor: Actor, operation_id: str
    ) -> Adjusted:
        self.adjusted.append((adjustment, operation_id))
        self._raise()
        after = adjustment.result(self.before)
        return Adjusted(self.before, after, "2026-11", "1-0", replayed=False)

    async def set_override(
        self, tenant: str, resource: str, units: int | None, **kwargs: Any
    ) -> Override:
        self.overridden.append((tenant, units, kwargs["reason"]))
        self._raise()
        return Override(
            TenantId(tenant), ResourceName(resource), units, ACTOR.name,
            kwargs["reason"], NOW, kwargs["expires_at"],
        )  # fmt: skip

    async def clear_override(
        self, tenant: str, resource: str, **kwargs: Any
    ) -> Override:
        self.cleared.append((tenant, kwargs["reason"]))
        self._raise()
        return Override(
            TenantId(tenant), ResourceName(resource), 120_000, "ana", "", NOW, None
        )

    async def fire(
        self, tenant: Tenant, resource: str, quantity: int, *, count: bool, **_: Any
    ) -> LoggedEvent:
        self.fired.append((tenant.id, quantity, count))
        self._raise()
        return logged(tenant, value=str(quantity))

    async def audit(self, tenant: str | None = None, *, limit: int = 100) -> Any:
        return self.trail[:limit]


class ScriptedRuntime:
    """An engine's place in the console, fed by the test."""

    def __init__(
        self, context: Context | None, *updates: WatchUpdate, failure: Any = None
    ) -> None:
        self.engine = ScriptedEngine()
        self.context = context
        self.focused: tuple[TenantId, ...] = ()
        self.consumed = 0
        self.pokes = 0
        self._updates = updates
        self._failure = failure
        self._deliver: Deliver | None = None

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        if self._failure is not None:
            deliver(Ended(self._failure))
        if self.context is not None:
            deliver(Opened(self.context))
        for one in self._updates:
            deliver(one)

    def push(self, one: WatchUpdate) -> None:
        """Deliver one more update."""
        assert self._deliver is not None
        self._deliver(one)

    def taken(self) -> None:
        self.consumed += 1

    def submit(self, job: Callable[[Any], Awaitable[T]]) -> Future[T]:
        future: Future[T] = Future()
        coroutine = cast("Any", job(cast("Any", self.engine)))
        try:
            coroutine.send(None)  # a scripted engine never waits
        except StopIteration as end:
            future.set_result(end.value)
        except MeterdeckError as error:
            future.set_exception(error)
        else:
            raise AssertionError("a scripted engine waited")
        return future

    def focus(self, tenants: Sequence[TenantId]) -> None:
        self.focused = tuple(tenants)

    def poke(self) -> None:
        self.pokes += 1

    def drain(self, timeout_s: float) -> None:
        return

    def stop(self) -> None:
        return


def console(runtime: ScriptedRuntime, **environ: str) -> ConsoleApp:
    """Return a console on a scripted engine, in a terminal with all colours."""
    known = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environ
    return ConsoleApp(runtime, actor=lambda: ACTOR, environ=known)


class Operator:
    """Somebody in front of a running console: presses keys, reads the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], runtime: ScriptedRuntime):
        self.app = app
        self.pilot = pilot
        self.runtime = runtime

    @property
    def engine(self) -> ScriptedEngine:
        return self.runtime.engine

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    def text(self) -> str:
        """Return the whole screen."""
        return "\n".join(self.lines())

    def line_with(self, text: str) -> str:
        """Return the first line that contains a text."""
        for line in self.lines():
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text()}")

    def notices(self) -> str:
        """Return what the notices say, unwrapped."""
        return "\n".join(
            f"{notice.title}: {notice.message}" for notice in self.app._notifications
        )

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*("space" if ch == " " else ch for ch in text))

    async def push(self, one: WatchUpdate) -> None:
        """Let the engine report something."""
        before = self.runtime.consumed
        self.runtime.push(one)
        await self.until(lambda: self.runtime.consumed > before)

    async def sees(self, text: str) -> str:
        """Wait until the screen contains a text; return the screen."""
        await self.until(lambda: text in self.text(), f"{text!r}")
        return self.text()

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for a condition, half a minute at most."""
        deadline = monotonic() + 30
        while not condition():
            if monotonic() > deadline:
                raise AssertionError(f"waited for {what}:\n{self.text()}")
            await self.pilot.pause(0.01)


@asynccontextmanager
async def operating(
    *updates: WatchUpdate,
    of: Context | None = None,
    size: tuple[int, int] = (120, 40),
    **environ: str,
) -> AsyncIterator[Operator]:
    """Run a console on scripted updates, with somebody in front of it."""
    runtime = ScriptedRuntime(of or context(), *updates)
    app = console(runtime, **environ)
    async with app.run_test(size=size, notifications=True) as pilot:
        operator = Operator(app, pilot, runtime)
        await operator.until(lambda: runtime.consumed >= len(updates), "the updates")
        await pilot.pause()
        await pilot.pause()
        yield operator


def fleet_update(count: int = 26, at: datetime = NOW) -> WatchUpdate:
    """Return the first picture of a believable fleet."""
    return first_picture(believable(count), at)
