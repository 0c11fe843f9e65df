"""Serve the local Stripe over HTTP inside the caller's event loop."""

from __future__ import annotations

from meterdeck.core.adapters.http_server import HttpServer
from meterdeck.core.local_stripe.stripe import LocalStripe


class LocalStripeServer(HttpServer):
    """Serve a LocalStripe from `__aenter__` to `__aexit__`; `base_url` is its address.

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
            dated=False,  # the application tells the account's time
        )
