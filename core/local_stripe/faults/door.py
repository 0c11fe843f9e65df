"""The door of a local Stripe: where requests are refused, lost and badly answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterdeck.core.local_stripe.answers import Asked, asked_by, refused, response_of
from meterdeck.core.local_stripe.endpoint import Endpoint
from meterdeck.core.local_stripe.faults.connection import disconnected, end
from meterdeck.core.local_stripe.faults.panel import Verdict
from meterdeck.core.local_stripe.faults.refusals import (
    concurrent,
    lock_timeout,
    rate_limit,
    unavailable,
)
from meterdeck.core.local_stripe.idempotency import in_flight
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, internal_error
from meterdeck.core.local_stripe.world import World
from meterdeck.core.model.faults import Faults

CONTROL = "/_sandbox"


def _conflict(faults: Faults, asked: Asked) -> LocalStripeRefusal:
    named = faults.conflict_code == "too_many_concurrent_requests"
    return concurrent() if named else in_flight(asked.key or "")


_REFUSALS: dict[str, Callable[[Faults, Asked], LocalStripeRefusal]] = {
    "rate_limited": rate_limit,
    "lock_timeout": lambda *_: lock_timeout(),
    "conflict": _conflict,
    "broken": lambda *_: internal_error(),
    "500": lambda *_: internal_error(),
    "503": lambda *_: unavailable(),
}


class Door:
    """Let requests through as the panel says; its own address is never troubled."""

    def __init__(self, world: World, endpoint: Endpoint, control: ASGIApp) -> None:
        self._world = world
        self._panel = world.panel
        self._endpoint = endpoint
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or do not."""
        path = scope["path"]
        if path == CONTROL or path.startswith(f"{CONTROL}/"):
            await self._control(scope, receive, send)
            return
        self._panel.requests += 1
        if self._panel.calm:
            await self._endpoint(scope, receive, send)
            return
        verdict = self._panel.judge(scope["method"], path)
        await _Exchange(self, scope, receive, send).suffer(verdict)

    @property
    def world(self) -> World:
        """The account behind it."""
        return self._world

    @property
    def endpoint(self) -> Endpoint:
        """What answers as it should."""
        return self._endpoint


class _Exchange:
    """One request, and what becomes of it."""

    def __init__(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        self._world = door.world
        self._endpoint = door.endpoint
        self._scope = scope
        self._receive = receive
        self._send = send
        self._asked = asked_by(Request(scope), door.world.ids.request())
        self._after: dict[str, Callable[[list[Message]], Awaitable[None]]] = {
            "broken_after": self._break,
            "lost": self._lose,
            "half": self._halve,
            "silent": self._be_silent,
        }

    async def suffer(self, verdict: Verdict) -> None:
        """Answer as the verdict says."""
        refusal = self._refusal(verdict)
        if refusal is not None:
            await self._refuse(refusal)
        elif verdict.trouble == "cut" or verdict.outage == "cut":
            await end(self._scope, self._receive, reset=True)
        elif verdict.outage == "hang":
            await self._wait(self._world.panel.outage_left_s)
            await end(self._scope, self._receive)
        elif verdict.trouble:
            await self._after[verdict.trouble](await self._done())
        else:
            await self._endpoint(self._scope, self._receive, self._send)

    def _refusal(self, verdict: Verdict) -> LocalStripeRefusal | None:
        """Return the error answer of what is refused before anything is done."""
        faults = self._world.panel.faults
        if verdict.limited:
            return rate_limit(faults, self._asked, verdict.limited)
        makes = _REFUSALS.get(verdict.trouble or verdict.outage)
        return makes(faults, self._asked) if makes else None

    async def _refuse(self, refusal: LocalStripeRefusal) -> None:
        answer = refused(self._asked, refusal, self._world.ids.account)
        response = response_of(answer, self._world.now())
        await response(self._scope, self._receive, self._send)

    async def _done(self) -> list[Message]:
        """Do what is asked for, and return the answer that nobody has seen yet."""
        messages: list[Message] = []

        async def take(message: Message) -> None:
            messages.append(message)

        await self._endpoint(self._scope, self._receive, take)
        return messages

    async def _break(self, messages: list[Message]) -> None:
        refusal = internal_error()
        key = self._asked.key
        if key is not None and messages[0]["status"] == 200:
            # Stripe keeps a 500 like any other answer of a request that ran.
            answer = refused(self._asked, refusal, self._world.ids.account)
            self._endpoint.keep(key, self._asked, answer)
        await self._refuse(refusal)

    async def _lose(self, messages: list[Message]) -> None:
        await end(self._scope, self._receive)

    async def _halve(self, messages: list[Message]) -> None:
        head, body = messages[0], messages[1]["body"]
        await self._send(head)
        half = {"type": "http.response.body", "body": body[: len(body) // 2]}
        await self._send({**half, "more_body": True})
        await end(self._scope, self._receive)

    async def _be_silent(self, messages: list[Message]) -> None:
        await self._wait(self._world.panel.faults.silence_s)
        for message in messages:
            await self._send(message)

    async def _wait(self, seconds: float | None) -> None:
        """Wait, until the client has gone or the faults are changed at the longest."""
        waiting = [
            asyncio.ensure_future(disconnected(self._receive)),
            asyncio.ensure_future(self._world.panel.changed.wait()),
        ]
        try:
            await asyncio.wait(
                waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for each in waiting:
                each.cancel()
