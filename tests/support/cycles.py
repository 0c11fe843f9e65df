"""Tenants whose billing cycle changes, as the directory writes them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from tests.support.contexts import SEATS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Cycle, Interval, Period, billing_cycle
from meterdeck.core.model.usage import ResourceName, Tenant, TenantId
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_entries import DirectoryEntries


@dataclass
class Anchors:
    """One tenant's entry with one anchor after the other, and its counters."""

    redis: Redis
    context: Context
    now: datetime
    tenant: TenantId
    resource: ResourceName = SEATS

    @classmethod
    async def of(cls, redis: Redis, context: Context, tenant: str = "acme") -> Self:
        """Begin now, by the server."""
        now = (await server_time(redis)).replace(microsecond=0)
        return cls(redis, context, now, TenantId(tenant))

    def entry(self, days: int, interval: Interval = Interval.MONTH) -> Tenant:
        """Return an entry anchored so many days ago."""
        cycle = Cycle(self.now - timedelta(days=days), interval)
        return Tenant(self.tenant, "Acme", cycle=cycle)

    def period(self, days: int) -> Period:
        """Return the period that an entry has so many days after its anchor."""
        cycle = Cycle(self.now - timedelta(days=days), Interval.MONTH)
        return billing_cycle(cycle, self.now)

    async def save(self, days: int) -> None:
        """Write the entry as a directory does."""
        await Directory(self.redis, self.context, None).save([self.entry(days)])

    async def crash_after_writing(self, days: int) -> None:
        """Write the entry as a directory does that dies right after."""
        layout = self.context.redis.layout
        entries = DirectoryEntries(self.redis, layout, "rules")
        await entries.write([self.entry(days)])

    async def restart(self) -> None:
        """Read the directory in another process."""
        await Directory(self.redis, self.context, None).cached()

    async def counter(self, days: int) -> int | None:
        """Return what the counter of that anchor holds."""
        layout = self.context.redis.layout
        raw = await self.redis.get(
            layout.counter(self.tenant, self.resource, self.period(days).label)
        )
        return None if raw is None else int(raw)

    async def billed(self, days: int) -> int:
        """Return what Stripe is told of that anchor's counter."""
        layout = self.context.redis.layout
        key = layout.billing(self.tenant, self.resource, self.period(days).label)
        offset = await ask(self.redis, "HGET", key, "offset")
        return (await self.counter(days) or 0) + int(offset or 0)

    async def noted(self) -> bytes | None:
        """Return what the entry says is to be carried."""
        layout = self.context.redis.layout
        found: bytes | None = await ask(
            self.redis, "HGET", layout.tenant(self.tenant), "cycle_before"
        )
        return found


def by_cycle(context: Context, *names: ResourceName) -> Context:
    """Return `context` with these resources counted by billing cycle, too."""
    seats = context.resource(SEATS)
    return replace(
        context,
        resources=tuple(
            replace(each, period=seats.period) if each.name in names else each
            for each in context.resources
        ),
    )
