"""A fleet of any size, written straight into a server: directory and counters.

No Stripe takes part: a local one makes two milliseconds of a tenant, which is minutes
for a hundred thousand. The console reads who the tenants are from Redis, as a second
console does on a fleet whose first one has asked Stripe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from redis.client import Pipeline
from redis.typing import EncodableT
from tests.support.running_sandbox import METERDECK, child_environment

from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import Cycle, Interval, PeriodKind, current_period

RESOURCES = ("api_calls", "storage_gb", "images", "emails", "exports")
CYCLED = "images"
"""The resource that is counted by the subscription's own billing cycle."""

PLANS = {"free": 1_000, "starter": 10_000, "pro": 100_000, "scale": 1_000_000}
"""Units a period, of every resource."""

_AT_ONCE = 1_000
_LAYOUT = KeyLayout()
_FIRST = ("Acme", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor")
_SECOND = ("Robotics", "Foods", "Media", "Labs", "Freight", "Health", "Studio")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class LargeTenant:
    """One tenant of the fleet; everything follows from its number."""

    number: int

    @property
    def id(self) -> str:
        """The name in the keys."""
        return f"tenant-{self.number:06}"

    @property
    def name(self) -> str:
        """The name on the screen; no two are the same, and none holds another."""
        first = _FIRST[self.number % len(_FIRST)]
        second = _SECOND[self.number // len(_FIRST) % len(_SECOND)]
        return f"{first} {second} {self.number:06}"

    @property
    def limit(self) -> int:
        """Units a period of each resource."""
        return PLANS[self.plan]

    @property
    def plan(self) -> str:
        """The plan's name."""
        return tuple(PLANS)[self.number % len(PLANS)]

    @property
    def anchor(self) -> int:
        """Where its billing cycle is anchored, in Unix seconds."""
        # Nobody subscribes in the same second: what is read cannot be shared.
        return 1_690_000_000 + self.number * 7_919 % (28 * _DAY_S)

    def used(self, column: int) -> int:
        """Return what is used at first: some are full, most are far from it."""
        percent = (self.number * 37 + column * 29) % 100
        if column == 0 and self.number % 10 == 0:
            percent = 100 - self.number // 10 % 25
        return self.limit * percent // 100

    def key(self, column: int, now: datetime) -> bytes:
        """Name one of its counters."""
        kind = PeriodKind.CALENDAR_MONTH
        cycle = None
        if RESOURCES[column] == CYCLED:
            kind = PeriodKind.BILLING_CYCLE
            at = datetime.fromtimestamp(self.anchor, UTC)
            cycle = Cycle(at, Interval.MONTH, 1)
        label = current_period(kind, cycle, now).label
        return _LAYOUT.counter(self.id, RESOURCES[column], label)

    def entry(self) -> list[str]:
        """Return the directory's fields and values, in turn."""
        fields = {
            "name": self.name,
            "customer": f"cus_{self.number:014}",
            "subscription": f"sub_{self.number:014}",
            "plan": self.plan,
            "status": "past_due" if self.number % 50 == 3 else "active",
            "anchor": str(self.anchor),
            "interval": "month",
            "interval_count": "1",
            "period_start": str(self.anchor + _DAY_S * 700),
            "period_end": str(self.anchor + _DAY_S * 730),
            **{f"limit:{name}": str(self.limit) for name in RESOURCES},
        }
        return [text for field in fields.items() for text in field]


class LargeFleet:
    """Tenants with five counters each, on one server.

    Args:
        url: The server's.
        folder: Where the console's settings and state go.
    """

    def __init__(self, url: str, folder: Path, *, tenants: int) -> None:
        self.tenants = tenants
        self.redis = Redis.from_url(url)
        self.url = url
        self._folder = folder
        self._now = datetime.now(UTC)
        settings = folder / "config.toml"
        settings.write_text(_settings(url), encoding="utf-8")
        self.environment = child_environment(
            METERDECK_STATE_DIR=str(folder / "state"), METERDECK_CONFIG=str(settings)
        )
        self.command = [METERDECK, "--context", "fleet"]

    def fill(self) -> None:
        """Empty the server and write everything."""
        self.redis.flushall()
        for numbers in _stretches(self.tenants):
            tenants = [LargeTenant(number) for number in numbers]
            pipeline = self.redis.pipeline(transaction=False)
            for tenant in tenants:
                pipeline.hset(_LAYOUT.tenant(tenant.id), items=tenant.entry())
            pipeline.sadd(_LAYOUT.tenants(), *(tenant.id for tenant in tenants))
            pipeline.mset(
                {
                    tenant.key(column, self._now): tenant.used(column)
                    for tenant in tenants
                    for column in range(len(RESOURCES))
                }
            )
            pipeline.execute()

    def change(self, numbers: Sequence[int], *, indexed: bool = True) -> None:
        """Count one unit of every resource of these tenants.

        Args:
            indexed: Whether the change index is told, as the scripts do, or not, as
                a program does that writes plain `INCR`.
        """
        pipeline = self.redis.pipeline(transaction=False)
        tenants = [LargeTenant(number) for number in numbers]
        for tenant in tenants:
            for column in range(len(RESOURCES)):
                pipeline.incr(tenant.key(column, self._now))
        if indexed and tenants:
            self._tell(numbers, pipeline)
        pipeline.execute()

    def set_percent(self, counters: Sequence[tuple[int, int]], percent: int) -> None:
        """Set counters, each a tenant's number and a column, to a share; the index is
        told, as the scripts do.
        """
        pipeline = self.redis.pipeline(transaction=False)
        for number, column in counters:
            tenant = LargeTenant(number)
            used = -(-percent * tenant.limit // 100)  # the least that shows it
            pipeline.set(tenant.key(column, self._now), used)
        self._tell({number for number, _ in counters}, pipeline)
        pipeline.execute()

    def _tell(self, numbers: Collection[int], pipeline: Pipeline) -> None:
        last = int(self.redis.incrby(_LAYOUT.sequence(), len(numbers)))
        scores = {
            LargeTenant(number).id: last - len(numbers) + 1 + place
            for place, number in enumerate(numbers)
        }
        pipeline.zadd(_LAYOUT.changed(), scores)

    def log(self, first: int, count: int) -> None:
        """Add lines to the delivery log, as a worker does that delivers."""
        pipeline = self.redis.pipeline(transaction=False)
        for number in range(first, first + count):
            fields = _line(LargeTenant(number % self.tenants), number)
            pipeline.xadd(_LAYOUT.events(), fields, maxlen=10_000, approximate=True)
        pipeline.execute()

    def close(self) -> None:
        """Close the connection."""
        self.redis.close()


def _line(tenant: LargeTenant, number: int) -> dict[EncodableT, EncodableT]:
    return {
        "source": "worker",
        "outcome": "accepted",
        "state": "accepted",
        "tenant": tenant.id,
        "resource": RESOURCES[number % len(RESOURCES)],
        "event_name": RESOURCES[number % len(RESOURCES)],
        "identifier": f"md-{number:012}",
        "customer": f"cus_{tenant.number:014}",
        "value": number % 900 + 1,
        "units": number % 900 + 1,
        "timestamp": int(datetime.now(UTC).timestamp()),
        "latency_ms": 40 + number % 20,
        "attempts": 1,
    }


def _stretches(tenants: int) -> Iterator[range]:
    for start in range(0, tenants, _AT_ONCE):
        yield range(start, min(start + _AT_ONCE, tenants))


def _settings(url: str) -> str:
    resources = "".join(
        f'[resources.{name}]\nmeter = "{name}"\n'
        + ('period = "billing_cycle"\n' if name == CYCLED else "")
        for name in RESOURCES
    )
    plans = "".join(
        f"[plans.{plan}.limits]\n"
        + "".join(f"{name} = {units}\n" for name in RESOURCES)
        for plan, units in PLANS.items()
    )
    return (
        f"{resources}{plans}"
        '[contexts.fleet]\nmode = "test"\n'
        f'[contexts.fleet.redis]\nurl = "{url}"\n'
    )
