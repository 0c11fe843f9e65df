"""The connection under a request: ASGI itself has no way to end one unanswered."""

from __future__ import annotations

import asyncio
import socket
import struct

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, no time: closing sends RST
_TRANSPORT = "transport"


class EndableProtocol(HttpToolsProtocol):
    """HTTP whose requests know their connection: in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, _TRANSPORT: transport}


async def end(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """End a request's connection, and return when it has ended.

    Args:
        reset: The client sees it reset, not closed.

    Raises:
        ConnectionAbortedError: The server shows no connection: it is not ours.
    """
    transport = scope.get("state", {}).get(_TRANSPORT)
    if not isinstance(transport, asyncio.Transport):
        raise ConnectionAbortedError("this server cannot end a connection unanswered")
    if reset:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()
    await disconnected(receive)


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
