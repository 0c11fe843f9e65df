"""The work behind watching: rounds over Redis, and the directory beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import RedisRefused, RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_watch import DirectoryWatch
from meterdeck.core.services.event_tail import EventTail
from meterdeck.core.services.sending_watch import SendingWatch
from meterdeck.core.services.spool_watch import SpoolWatch
from meterdeck.core.services.watch_report import WatchReport
from meterdeck.core.services.watch_round import WatchRound

_SOONEST_S = 0.1  # between two rounds, however often somebody pokes
_EARLIER = 0.95  # rounds come a little before the heartbeat that would stand in
_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is watched comes from."""

    redis: Redis
    context: Context
    directory: Directory
    gateway: StripeGateway | None
    log: DeliveryLog


@dataclass(slots=True)
class View:
    """What the listener looks at, and the event that ends a pause early."""

    focus: tuple[TenantId, ...] = ()
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class WatchLoop:
    """One listener's watching; nothing of it outlives the listener."""

    def __init__(
        self, sources: Sources, view: View, out: asyncio.Queue[WatchUpdate]
    ) -> None:
        context = sources.context
        table = CounterTable(context.resources)
        self.report = WatchReport(table)
        self._poll_s = _EARLIER * context.poll_s
        self._view = view
        self._out = out
        self._round = WatchRound(
            sources.redis, context, EventTail(sources.log), self.report, table
        )
        self._directory = DirectoryWatch(
            context, sources.directory, sources.gateway, self.report, view.wake.set
        )
        self._spool = SpoolWatch(context, self.report)
        self._sending = SendingWatch(sources.redis, context, self.report)
        self._cached = False
        self._looked = asyncio.Event()
        self._retry_s = _FIRST_RETRY_S

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Return what has to run, each in a task of its own, until cancelled."""
        return [
            self._follow_redis(),
            self._directory.run(self._looked),
            self._spool.run(),
            self._sending.run(),
        ]

    async def _follow_redis(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._look()
                self._retry_s = _FIRST_RETRY_S
                pause_s = self._poll_s - (loop.time() - started)
            except (RedisUnreachable, RedisRefused) as error:
                self.report.redis_failed(str(error))
                self._round.reconnected()
                await self._flush()
                pause_s = self._retry_s
                self._retry_s = min(2 * pause_s, _LAST_RETRY_S)
            self._looked.set()
            await self._pause(pause_s)

    async def _look(self) -> None:
        await self._take_directory()
        if not self._cached:
            await self._directory.read_cached(self._take_some)
            self._cached = True
            await self._flush()
        await self._round.run(self._view.focus, self._flush)

    async def _take_some(self, tenants: Sequence[Tenant]) -> None:
        """Show names as they are read, and of those on the screen the counters."""
        self._round.put_tenants(tenants)
        await self._flush()
        await self._round.glance(self._view.focus, self._flush)

    async def _take_directory(self) -> None:
        for news in self._directory.take():
            self._round.put_tenants(news.tenants)
            if self._round.remove_tenants(news.removed):
                await self._flush()

    async def _flush(self) -> None:
        await self._out.put(self.report.update())
        while self.report.more():
            await self._out.put(self.report.update())

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(min(_SOONEST_S, max(0.0, seconds)))
        try:
            async with asyncio.timeout(max(0.0, seconds - _SOONEST_S)):
                await self._view.wake.wait()
        except TimeoutError:
            pass
        self._view.wake.clear()
