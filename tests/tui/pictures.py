"""A fleet that looks like one: tenants, counters, events, the same in every run."""

from __future__ import annotations

from array import array
from collections.abc import (
    Iterator,
    Mapping,
    Sequence,
)
from datetime import UTC, datetime, timedelta
from typing import Any

from meterdeck.core.model.changes import (
    Actor,
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
    mode: Mode = Mode.SANDBOX,
    *,
    read_only: bool = False,
    name: str = "",
    arm_minutes: int = 0,
) -> Context:
    """Return a context as settings would give it; it is always armed by default."""
    return Context(
        name=name or ("sandbox" if mode is Mode.SANDBOX else "staging"),
        mode=mode,
        read_only=read_only,
        arm_minutes=arm_minutes,
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
