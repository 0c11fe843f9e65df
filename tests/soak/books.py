"""Counters, billing records and what Stripe has, read at one moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any

from tests.soak.world import World

from meterdeck.core.adapters.redis_client import redis_errors, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.usage import BilledBy, ResourceKind

Key = tuple[str, str]
"""Tenant and resource."""
_PAST = timedelta(days=70)


@dataclass(slots=True)
class Line:
    """A tenant's resource in all periods, in units.

    Attributes:
        reserved: Units of reservations that have an end.
        leases: Events that a worker has not settled.
    """

    used: int = 0
    offset: int = 0
    reserved: int = 0
    reported: int = 0
    parked: int = 0
    in_flight: int = 0
    leases: int = 0
    held: int = 0

    @property
    def waiting(self) -> int:
        """What is still to be sent."""
        mine = self.reported + self.parked + self.in_flight
        return self.used + self.offset - self.reserved - mine


@dataclass(frozen=True)
class Books:
    """All lines, and what is counted, and not kept by tenant and resource."""

    lines: dict[Key, Line] = field(default_factory=lambda: defaultdict(Line))
    letters: int = 0  # tenants that have some
    queued: int = 0
    noted: int = 0
    unsettled: int = 0
    audited: int = 0

    def sum(self, name: str, resource: str) -> int:
        """Add up an attribute over all tenants of a resource."""
        lines = self.lines.items()
        return sum(getattr(line, name) for (_, each), line in lines if each == resource)


async def read_books(world: World) -> Books:
    """Read everything in Redis.

    Raises:
        Unreachable: It does not answer.
    """
    redis, layout = world.redis, world.context.redis.layout
    lines: dict[Key, Line] = defaultdict(Line)
    with redis_errors():
        counters = [key async for key in redis.scan_iter(layout.counter_glob(), 1000)]
        for key in counters:
            found = layout.parse_counter(key)
            if found is None:
                continue
            line = lines[found.tenant, found.resource]
            line.used += int(await redis.get(key) or 0)
            ids = found.tenant, found.resource, found.period
            record: Any = await redis.hgetall(layout.billing(*ids).decode())
            _add(line, record)
            held = await redis.zrange(layout.reserved(*ids), 0, -1, withscores=True)
            line.reserved += _reserved(held)
        letters = await redis.zrange(layout.lettered(), 0, -1)
        audits = [key async for key in redis.scan_iter(layout.audit_glob(), 1000)]
        queue, sent = layout.queue("").decode(), layout.queued("").decode()
        return Books(
            lines,
            letters=len(letters),
            queued=int(await redis.xlen(queue)),
            noted=int(await redis.hlen(sent)),
            unsettled=int(await redis.zcard(layout.unsettled().decode())),
            audited=sum([int(await redis.xlen(each)) for each in audits]),
        )


def _add(line: Line, record: dict[bytes, bytes]) -> None:
    def number(name: bytes) -> int:
        return int(record.get(name) or 0)

    line.offset += number(b"offset")
    line.reported += number(b"reported")
    line.parked += number(b"parked")
    line.in_flight += number(b"units") if record.get(b"in_flight") else 0
    line.leases += bool(record.get(b"in_flight"))
    line.held += b"held" in record


def _reserved(members: Any) -> int:
    # A member ends with its units; one without an end has an infinite score.
    return sum(int(each.rsplit(b":", 1)[-1]) for each, end in members if end < inf)


async def billed(world: World, lines: Iterable[Key]) -> Counter[Key]:
    """Ask Stripe for what it has of each, in units.

    Raises:
        Unreachable: It does not answer.
    """
    context = world.context
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    layout, redis = context.redis.layout, world.redis
    now = await server_time(redis)
    start, end = _midnight(now - _PAST), _midnight(now + timedelta(days=2))
    found: Counter[Key] = Counter()
    try:
        meters = {each.event_name: each.id for each in await gateway.meters()}
        for tenant, resource in lines:
            told = context.resource(resource)
            entry: Any = await redis.hgetall(layout.tenant(tenant).decode())
            customer = entry.get(b"customer")
            if not told.meter or not customer:
                continue
            meter = meters[told.meter]
            value = await gateway.summary(meter, customer.decode(), start, end)
            found[tenant, resource] = int(value * Decimal(10) ** told.scale)
    finally:
        await gateway.close()
    return found


def _midnight(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def of_kind(world: World) -> dict[str, str]:
    """Return each resource's way of being billed: counter, events or gauge."""
    return {
        str(each.name): (
            "gauge"
            if each.kind is ResourceKind.GAUGE
            else "events"
            if each.billed_by is BilledBy.EVENTS
            else "counter"
        )
        for each in world.context.resources
    }
