"""The engine: the services of one context on one Redis client and one gateway."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.fire import TestEvents
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService
from meterdeck.core.services.watch import Watch
from meterdeck.core.services.watch_loop import Sources


class Engine:
    """Everything that can be done in a context; an async context manager.

    Opening it asks no server anything: one that is away shows when it is used. The
    Stripe SDK is imported by the first call that needs it. Belongs to the event loop
    it is used in first.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._redis = open_redis(context.redis)
        self.gateway = (
            StripeGateway(context.stripe, context.mode) if context.stripe else None
        )
        self.usage = UsageService(self._redis, context)
        self.changes = OperatorChanges(self._redis, context)
        self.directory = Directory(self._redis, context, self.gateway)
        self.events = DeliveryLog(self._redis, context)
        self.test_events = TestEvents(self._redis, context, self.gateway, self.events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to both servers; watching has to end before."""
        try:
            if self.gateway is not None:
                await self.gateway.close()
        finally:
            await self._redis.aclose()

    def watch(self) -> Watch:
        """Return a watch on this context; it starts with `updates`."""
        return Watch(
            Sources(
                self._redis, self.context, self.directory, self.gateway, self.events
            )
        )
