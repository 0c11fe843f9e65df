"""The local Stripe behind a door where requests are noted, lost, and badly answered."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.doom import Doom, Step, Trouble

from meterdeck.core.local_stripe.faults.connection import disconnected, end

_EVENTS = "/v1/billing/meter_events"
Strike = Callable[[Step], bool]


@dataclass(frozen=True, slots=True)
class Sent:
    """A meter event as it came, in one of its requests."""

    identifier: str
    event_name: str
    customer: str
    value: str
    timestamp: int


@dataclass
class Ledger:
    """Every meter event that came, and what was counted of them.

    Attributes:
        first: Each identifier's payload, as it came first.
        differing: Payloads that came with an identifier that had another.
        counted: Those that were accepted.
        units: What was accepted, by customer and event name.
        requests: How many came.
    """

    first: dict[str, Sent] = field(default_factory=dict)
    differing: list[Sent] = field(default_factory=list)
    counted: list[Sent] = field(default_factory=list)
    units: defaultdict[tuple[str, str], Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def came(self, sent: Sent) -> None:
        """Note a request."""
        self.requests += 1
        if self.first.setdefault(sent.identifier, sent) != sent:
            self.differing.append(sent)

    def answered(self, sent: Sent, status: int) -> None:
        """Note what became of it."""
        self.statuses[status] += 1
        if status == 200:
            self.counted.append(sent)
            self.units[sent.customer, sent.event_name] += Decimal(sent.value)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, after which nothing was counted or nobody says so."""

    status: int
    code: str
    sentence: str = "not now"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def give(self, send: Send) -> None:
        """Answer with it."""
        kind = "invalid_request_error" if self.status == 400 else "api_error"
        error = {"message": self.sentence, "type": kind, "code": self.code}
        body = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"request-id", b"req_trouble"),
            *self.headers,
        ]
        head = {"type": "http.response.start", "status": self.status}
        await send({**head, "headers": headers})
        await send({"type": "http.response.body", "body": body})


_BROKEN = Refusal(500, "api_error")
_REFUSALS = {
    Trouble.TOO_MANY: Refusal(429, "rate_limit", headers=((b"retry-after", b"1"),)),
    Trouble.LOCKED: Refusal(429, "lock_timeout"),
    Trouble.BROKEN: _BROKEN,
}


class TroubledStripe:
    """The application of a local Stripe, as workers reach it.

    Each worker has a port of its own, by which is told whose request one is: `strikes`
    has what decides whether it is killed. What mentions one of the texts in `poison` is
    refused for ever, with the sentence that stands there.
    """

    def __init__(self, app: ASGIApp, doom: Doom) -> None:
        self._app = app
        self._doom = doom
        self.strikes: dict[int, Strike] = {}
        self.poison: dict[str, str] = {}
        self.ledger = Ledger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or do not."""
        if scope["path"] != _EVENTS:
            await self._app(scope, receive, send)
            return
        strike = self.strikes.get(scope["server"][1], _nobody)
        body = await _body(receive)
        sent = _sent(body)
        self.ledger.came(sent)
        trouble = self._doom.troubles()
        if strike(Step.BEFORE_SEND):
            return
        if trouble is Trouble.CUT_BEFORE:
            await end(scope, receive, reset=True)
            return
        if refusal := self._refusal(body, trouble):
            await refusal.give(send)
            return
        answer = await self._answer(scope, body)
        self.ledger.answered(sent, answer[0]["status"])
        if not strike(Step.AFTER_SEND):
            await _deliver(answer, trouble, scope, receive, send)

    def _refusal(self, body: bytes, trouble: Trouble | None) -> Refusal | None:
        for mentioned, sentence in self.poison.items():
            if mentioned.encode() in body:
                return Refusal(400, "parameter_invalid", sentence)
        return _REFUSALS.get(trouble) if trouble else None

    async def _answer(self, scope: Scope, body: bytes) -> list[Message]:
        messages: list[Message] = []

        async def take(message: Message) -> None:
            messages.append(message)

        async def give() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, give, take)
        return messages


async def _deliver(
    answer: list[Message],
    trouble: Trouble | None,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    match trouble:
        case Trouble.BROKEN_AFTER:
            await _BROKEN.give(send)
        case Trouble.SILENT_AFTER:
            await disconnected(receive)
        case Trouble.CUT:
            await send(answer[0])
            half = answer[1]["body"][: len(answer[1]["body"]) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await end(scope, receive)
        case _:
            for message in answer:
                await send(message)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message: dict[str, Any] = dict(await receive())
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _sent(body: bytes) -> Sent:
    form = dict(parse_qsl(body.decode()))
    return Sent(
        form["identifier"],
        form["event_name"],
        form["payload[stripe_customer_id]"],
        form["payload[value]"],
        int(form["timestamp"]),
    )


def _nobody(_step: Step) -> bool:
    return False
