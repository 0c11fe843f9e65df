"""A receiver of pushes on a real socket: keeps each, answers what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Push:
    """One request as it came."""

    path: str
    signature: str
    body: bytes
    delivery: str = ""


@dataclass
class Sink:
    """What arrived so far; `answers` are given first, then 200s.

    An answer of 0 never comes.
    """

    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        """Keep a push and answer it."""
        headers, body = request.headers, await request.read()
        signature = headers.get("meterdeck-signature") or headers["stripe-signature"]
        delivery = headers.get("meterdeck-delivery", "")
        self.pushes.append(Push(request.path, signature, body, delivery))
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            await asyncio.Event().wait()
        return web.Response(status=status, headers={"location": "/elsewhere"})


@asynccontextmanager
async def webhook_sink() -> AsyncIterator[Sink]:
    """Run a receiver on a free port."""
    sink = Sink()
    app = web.Application()
    app.router.add_post("/{path:.*}", sink.receive)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sink.url = f"http://{host}:{port}"
    try:
        yield sink
    finally:
        await runner.cleanup()
