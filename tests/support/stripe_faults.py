"""A server that answers a Stripe client exactly as badly as it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, no time: closing sends RST


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `body` is sent as it is; `hang` and `reset` send nothing at all."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    cut: bool = False
    """Announce more body than is sent, then close."""


HANG = Reply(hang=True)
RESET = Reply(reset=True)
HTML = Reply(body=b"<html><h1>Welcome to the hotel</h1></html>")


def answer(body: object, status: int = 200, **headers: str) -> Reply:
    """Return a JSON answer; `retry_after="1"` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body).encode(), named)


def refusal(status: int, message: str, *, code: str = "", **headers: str) -> Reply:
    """Return Stripe's error envelope, as recorded from the real one."""
    error = {"message": message, "type": "invalid_request_error"}
    if code:
        error["code"] = code
    return answer({"error": error}, status, **headers)


def page(*objects: object, has_more: bool = False) -> Reply:
    """Return a list as Stripe writes it."""
    return answer({"object": "list", "data": objects, "has_more": has_more, "url": ""})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that arrived: `form` is the query of a GET, the body of a POST."""

    method: str
    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    at: float
    body: bytes = b""


class FaultServer:
    """Gives the replies in order and the last one for ever; remembers requests.

    `choose`, where it is given, picks the reply to each request instead.
    """

    def __init__(
        self, *replies: Reply, choose: Callable[[Asked], Reply] | None = None
    ) -> None:
        self._replies = list(replies)
        self._choose = choose or self._next
        self.asked: list[Asked] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()

    def _next(self, asked: Asked) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, which is its right
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.asked.append(await _request(reader))
        reply = self._choose(self.asked[-1])
        if reply.hang:
            await reader.read()  # until the client gives up
            return False
        if reply.reset:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        writer.write(_head(reply) + reply.body)
        await writer.drain()
        return not reply.cut


def _head(reply: Reply) -> bytes:
    headers = {
        "request-id": "req_test",
        "content-type": "application/json",
        **reply.headers,
        "content-length": str(len(reply.body) + (100 if reply.cut else 0)),
    }
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    form = dict(parse_qsl(query or body.decode()))
    return Asked(method, path, form, headers, time.monotonic(), body)
