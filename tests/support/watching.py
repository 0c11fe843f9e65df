"""Following a watch in tests: a fleet that is kept up to date, conditions on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

from meterdeck.core.model.context import Context, Mode, RedisOptions
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import (
    Broken,
    Plan,
    PlanName,
    Resource,
    ResourceKind,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
)
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.watch import Watch

CALLS = Resource(ResourceName("api_calls"), "API calls", "call")
IMAGES = Resource(ResourceName("images"), "Images", "image")
DISK = Resource(ResourceName("disk_gb"), "Disk", "GB", kind=ResourceKind.GAUGE)
_DEADLINE_S = 20.0


def watch_context(url: str, **changes: object) -> Context:
    """A context without Stripe on the server at `url`, with two resources."""
    plan = Plan(PlanName("pro"), "Pro", {CALLS.name: 1000, IMAGES.name: None})
    settings: dict[str, object] = {
        "name": "test",
        "mode": Mode.TEST,
        "read_only": False,
        "redis": RedisOptions(url=url),
        "stripe": None,
        "resources": (CALLS, IMAGES),
        "plans": {plan.name: plan},
        "poll_s": 0.2,
    }
    return Context(**{**settings, **changes})  # type: ignore[arg-type]


def tenant_of(tenant: str, **changes: object) -> Tenant:
    """A tenant on the plan `pro` with 1000 calls and unlimited images."""
    settings: dict[str, object] = {
        "id": TenantId(tenant),
        "name": tenant.title(),
        "plan": PlanName("pro"),
        "status": TenantStatus.ACTIVE,
        "limits": {CALLS.name: 1000, IMAGES.name: None},
    }
    return Tenant(**{**settings, **changes})  # type: ignore[arg-type]


class Follower:
    """Takes every update into a fleet; remembers the last and what passed by."""

    def __init__(self, context: Context) -> None:
        self.fleet = Fleet(context)
        self.updates: list[WatchUpdate] = []
        self.events: list[LoggedEvent] = []
        self.dropped = 0
        self.gaps: list[float] = []
        self._moved = asyncio.Condition()
        self._at = time.monotonic()

    @property
    def last(self) -> WatchUpdate:
        """The newest update."""
        return self.updates[-1]

    def used(self, tenant: str, column: int = 0) -> int | Broken | None:
        """A counter as the fleet has it, None too for an unknown tenant."""
        row = self.fleet.row_of(tenant)
        return None if row is None else self.fleet.used(row, column)

    def rounds(self, start: int) -> int:
        """Looks at Redis since update `start`: all updates of one share its time."""
        return len({update.redis.last_ok for update in self.updates[start:]})

    async def follow(self, watch: Watch) -> None:
        """Take updates until cancelled."""
        async with aclosing(watch.updates()) as updates:
            async for update in updates:
                now = time.monotonic()
                self.gaps.append(now - self._at)
                self._at = now
                self.fleet.apply(update)
                self.updates.append(update)
                self.events += update.events
                self.dropped += update.dropped_events
                async with self._moved:
                    self._moved.notify_all()

    async def until(
        self, condition: Callable[[], bool], deadline_s: float = _DEADLINE_S
    ) -> None:
        """Wait for updates until the condition holds."""
        async with asyncio.timeout(deadline_s), self._moved:
            await self._moved.wait_for(lambda: bool(self.updates) and condition())


@asynccontextmanager
async def following(watch: Watch, context: Context) -> AsyncIterator[Follower]:
    """Follow `watch` for the block; its own failure fails the test."""
    follower = Follower(context)
    task = asyncio.create_task(follower.follow(watch))
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def watched(context: Context) -> AsyncIterator[tuple[Engine, Follower]]:
    """An engine on `context` and somebody who follows its watch."""
    async with (
        Engine(context) as engine,
        following(engine.watch(), context) as follower,
    ):
        yield engine, follower
