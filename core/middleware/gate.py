"""Before the application: count the request, or answer in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meterdeck.core.middleware.answers import (
    Answer,
    cannot_count,
    no_tenant,
    quota_exceeded,
)
from meterdeck.core.middleware.asgi import App, Headers, Message, Receive, Send
from meterdeck.core.middleware.charging import Charging, Settled, Uncounted
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.fields import rate_limit_fields
from meterdeck.core.middleware.refunds import Refunds
from meterdeck.core.middleware.tally import Tally
from meterdeck.core.model.text import visible

_log = logging.getLogger("meterdeck.middleware")


@dataclass(frozen=True, slots=True)
class GateRules:
    """What happens to requests that could not be counted.

    Attributes:
        challenge: `WWW-Authenticate` of the 401 where nobody is refused.
        retry_after_s: `Retry-After` of the 503 where a fault refuses.
        deadline_s: Longest wait for the counter.
    """

    on_fault: Literal["allow", "refuse"]
    unknown_tenant: Literal["pass", "refuse"]
    challenge: str
    retry_after_s: int
    deadline_s: float


class Gate:
    """Counts each request first; those that do not fit never reach the application."""

    def __init__(
        self,
        charging: Charging,
        rules: GateRules,
        tally: Tally,
        clock: Callable[[], datetime],
        refunds: Refunds | None = None,
    ) -> None:
        self._refunds = refunds
        self._charging = charging
        self._rules = rules
        self._tally = tally
        self._clock = clock

    async def serve(
        self, app: App, exchange: Exchange, receive: Receive, send: Send
    ) -> None:
        """Let the application answer, or answer."""
        asked = await self._charging.settle(exchange, self._rules.deadline_s)
        verdict = self._judge(asked.outcome)
        if isinstance(verdict, Answer):
            answering = verdict.give(send, method=exchange.method)
            if self._refunds is None or asked.charge is None:
                await answering
            else:
                await self._refunds.beside(answering, asked.charge)
            return
        scope, send = exchange.scope, _adding(verdict, send) if verdict else send
        if self._refunds is None or asked.charge is None:
            await app(scope, receive, send)
        else:
            await self._refunds.serve(app, asked.charge, scope, receive, send)

    def _judge(self, outcome: Settled | Uncounted) -> Answer | Headers:
        match outcome:
            case Settled():
                return self._verdict(outcome)
            case Uncounted.NO_TENANT if self._rules.unknown_tenant == "refuse":
                return no_tenant(self._rules.challenge)
            case Uncounted.FAULT | Uncounted.LOST if self._rules.on_fault == "refuse":
                return cannot_count(self._rules.retry_after_s)
            case Uncounted.UNAVAILABLE | Uncounted.UNCLEAR:
                return cannot_count(self._rules.retry_after_s)
            case _:
                return ()

    def _verdict(self, settled: Settled) -> Answer | Headers:
        now = self._clock()
        if settled.decision.allowed:
            self._tally.allowed += 1
            return rate_limit_fields(settled.decision, now)
        self._tally.refused += 1
        answer = quota_exceeded(settled, now)
        _log.info(
            "usage_request_refused tenant=%s call=%s instance=%s",
            visible(settled.tenant),
            settled.decision.call_id,
            answer.instance,
        )
        return answer


def _adding(fields: Headers, send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *fields]
            message = {**message, "headers": headers}
        await send(message)

    return adding
