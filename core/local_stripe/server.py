"""Serve the local Stripe over HTTP inside the caller's event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType

import uvicorn

from meterdeck.core.errors import ConfigError
from meterdeck.core.local_stripe.stripe import LocalStripe

# How long a request in flight may still take when the server ends.
_GRACE_S = 1


class _Server(uvicorn.Server):
    """Leave signals to the program the server runs in."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install nothing."""
        yield


class LocalStripeServer:
    """Serve a LocalStripe from `__aenter__` to `__aexit__`; `base_url` is its address.

    Args:
        stripe: What to serve.
        host: Address to bind.
        port: Port to bind, 0 for any free one.
    """

    def __init__(
        self, stripe: LocalStripe, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._host = host
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                stripe.app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,  # the application tells the account's time
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.base_url = ""

    async def __aenter__(self) -> LocalStripeServer:
        """Bind and serve.

        Raises:
            ConfigError: The address cannot be bound.
        """
        bound = self._bind()
        self.base_url = f"http://{self._host}:{bound.getsockname()[1]}"
        self._serving = asyncio.create_task(self._server.serve(sockets=[bound]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.001)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, idle connections at once, requests in flight after a second."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _bind(self) -> socket.socket:
        # asyncio turns Nagle's delay off only where the protocol is named: without it
        # each answer waits 40 ms for the client's acknowledgement.
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._port))
        except OSError as error:
            bound.close()
            raise ConfigError(
                f"local Stripe address {self._host}:{self._port}",
                f"cannot be bound ({error.strerror or error})",
                "choose another port, or 0 for any free one",
            ) from error
        bound.setblocking(False)
        return bound
