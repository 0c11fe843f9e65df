"""A small HTTP server that runs an application inside the caller's event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

import uvicorn

from meterdeck.core.errors import ConfigError

# How long a request in flight may still take when the server ends.
_GRACE_S = 1


class _Server(uvicorn.Server):
    """Leave signals to the program the server runs in."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install nothing."""
        yield


class HttpServer:
    """Serves an ASGI application from `__aenter__` to `__aexit__`.

    Args:
        host: Address to bind.
        port: Port to bind, 0 for any free one; `port` is then which.
        named: What the address is called where it cannot be bound.
        dated: Whether answers tell this host's time; else the application does.
        protocol: Uvicorn's own HTTP, or one made from it.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        named: str,
        dated: bool = True,
        protocol: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
    ) -> None:
        self._host = host
        self.port = port
        self._named = named
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=dated,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        """Where it answers; known once it serves."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Bind and serve.

        Raises:
            ConfigError: The address cannot be bound.
        """
        bound = self._bind()
        self.port = bound.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[bound]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.001)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, idle connections at once, requests in flight after a second."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _bind(self) -> socket.socket:
        # asyncio turns Nagle's delay off only where the protocol is named: without it
        # each answer waits 40 ms for the client's acknowledgement.
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self.port))
        except OSError as error:
            bound.close()
            raise ConfigError(
                f"{self._named} {self._host}:{self.port}",
                f"cannot be bound ({error.strerror or error})",
                "choose another port, or 0 for any free one",
            ) from error
        bound.setblocking(False)
        return bound
