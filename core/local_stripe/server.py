"""Serve the local Stripe over HTTP inside the caller's event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from meterdeck.core.adapters.http_server import HttpServer
from meterdeck.core.local_stripe.faults.connection import EndableProtocol
from meterdeck.core.local_stripe.stripe import LocalStripe


class LocalStripeServer(HttpServer):
    """Serve a LocalStripe from `__aenter__` to `__aexit__`; `base_url` is its address.

    It also pushes events to webhooks, beside the requests.

    Args:
        stripe: What to serve.
        host: Address to bind.
        port: Port to bind, 0 for any free one.
    """

    def __init__(
        self, stripe: LocalStripe, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__(
            stripe.app,
            host=host,
            port=port,
            named="local Stripe address",
            protocol=EndableProtocol,
            dated=False,  # the application tells the account's time
        )
        self._stripe = stripe
        self._pushing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Bind, serve and push.

        Raises:
            ConfigError: The address cannot be bound.
        """
        await super().__aenter__()
        self._pushing = asyncio.create_task(self._stripe.push())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, then end the pushes: what is not delivered stays planned."""
        await super().__aexit__(kind, error, trace)
        if self._pushing is not None:
            self._pushing.cancel()
            await asyncio.gather(self._pushing, return_exceptions=True)
