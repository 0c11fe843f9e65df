"""Follows the directory in a task of its own: a slow Stripe delays no counter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import MeterdeckError, RedisRefused, RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.directory_entries import Tell
from meterdeck.core.services.watch_report import WatchReport

_WITHOUT_STRIPE_S = 3.0  # one round trip unless another process wrote it
_LATEST_S = 2.0  # after the start, however long the first look takes


@dataclass(frozen=True, slots=True)
class DirectoryNews:
    """Tenants that are new or changed, and those that are gone."""

    tenants: tuple[Tenant, ...]
    removed: tuple[TenantId, ...] = ()


class DirectoryWatch:
    """Collects what the directory says until the next round takes it."""

    def __init__(
        self,
        context: Context,
        directory: Directory,
        gateway: StripeGateway | None,
        report: WatchReport,
        wake: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._gateway = gateway
        self._poll_s = (
            context.stripe.poll_s if gateway and context.stripe else _WITHOUT_STRIPE_S
        )
        self._report = report
        self._wake = wake
        self._news: list[DirectoryNews] = []
        if gateway is not None:
            report.stripe = Health(Reach.CONNECTING)

    def take(self) -> list[DirectoryNews]:
        """Return what came since the last call, oldest first."""
        news, self._news = self._news, []
        return news

    async def read_cached(self, tell: Tell) -> None:
        """Tell what Redis has of the directory, some tenants at a time.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        await self._directory.cached(tell)

    async def run(self, looked: asyncio.Event) -> None:
        """Follow Stripe, or without one what others write into Redis; for ever.

        Args:
            looked: The counters were looked at once. What talks to Stripe takes half a
                second to import, and they would come so much later.
        """
        try:
            async with asyncio.timeout(_LATEST_S):
                await looked.wait()
        except TimeoutError:
            pass
        while True:
            await self._refresh()
            await asyncio.sleep(self._poll_s)

    async def _refresh(self) -> None:
        try:
            change = await self._directory.refresh()
        except (RedisUnreachable, RedisRefused):
            return  # the rounds say so; it is not Stripe's fault
        except MeterdeckError as error:
            self._report.stripe_failed(str(error))
            self._wake()
            return
        if self._gateway is not None:
            self._report.stripe_answered(self._gateway.latency_ms)
        if change.tenants or change.removed:
            self._news.append(DirectoryNews(change.tenants, change.removed))
            self._wake()
