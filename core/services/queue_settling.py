"""Settling entries of queues: out of the queue, into the log, and into the letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from meterdeck.core.adapters.letter_fields import write_letter
from meterdeck.core.adapters.queue_calls import GROUP, MOST_SETTLED, QueueCalls
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    Attempt,
    EventState,
    Letter,
    LetterSource,
    Verdict,
)
from meterdeck.core.model.event_lines import settled_line
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.queued import QueuedEvent, QueuedResult
from meterdeck.core.services.asking_again import ask_twice
from meterdeck.core.services.delivery_log import DeliveryLog, encoded_line
from meterdeck.core.services.tenant_fields import encode

_STATES = {Verdict.DEAD: EventState.DEAD, Verdict.AMBIGUOUS: EventState.AMBIGUOUS}
_NOT_SENT = "it was given to a worker too long ago to be sent again"


@dataclass(frozen=True, slots=True)
class _Piece:
    """An entry's part of a script call."""

    arguments: list[Argument]
    line: LoggedEvent


class QueueSettling:
    """Settles entries of one context's queues, each once."""

    def __init__(self, redis: Redis, context: Context, calls: QueueCalls) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._log_lines = context.delivery.log_lines
        self._calls = calls
        self._log = DeliveryLog(redis, context)

    async def settle(
        self, queue: bytes, sent: bytes, results: Sequence[QueuedResult], now: datetime
    ) -> None:
        """Settle entries of one queue, none of them LATER.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Some may be settled; it is
                safe to repeat.
        """
        for start in range(0, len(results), MOST_SETTLED):
            await self._settle(queue, sent, results[start : start + MOST_SETTLED], now)

    async def _settle(
        self, queue: bytes, sent: bytes, results: Sequence[QueuedResult], now: datetime
    ) -> None:
        layout = self._layout
        indexed = not layout.tagged
        pieces = [self._piece(each, now) for each in results]
        keys = [queue, sent]
        if indexed:
            keys += [layout.events(), layout.lettered()]
        else:
            await self._announce(results, now)
        keys += [layout.letters(each.queued.tenant) for each in results]
        arguments: list[Argument] = [
            *(GROUP, 1 if indexed else 0, self._log_lines, len(results)),
            *(each for piece in pieces for each in piece.arguments),
        ]
        first = results[0].queued.event.identifier
        became = await ask_twice(partial(self._calls.settle, keys, arguments, first))
        for piece, what in zip(pieces, became, strict=True):
            if not indexed and what != "stale":
                await self._log.append(piece.line)

    async def _announce(self, results: Sequence[QueuedResult], now: datetime) -> None:
        """Note whose letters there will be: no script can where keys are tagged."""
        named = {
            encode(each.queued.tenant): to_milliseconds(now)
            for each in results
            if each.verdict in _STATES
        }
        if named:
            with redis_errors():
                await self._redis.zadd(self._layout.lettered(), named)

    def _piece(self, result: QueuedResult, now: datetime) -> _Piece:
        queued, verdict = result.queued, result.verdict
        line = _line(result, now)
        fields = [] if self._layout.tagged else encoded_line(line)
        state = _STATES.get(verdict)
        letter = "" if state is None else write_letter(_letter(result, state, now))
        arguments: list[Argument] = [
            queued.id,
            verdict.value,
            encode(queued.event.identifier),
            encode(queued.tenant),
            letter.encode(),
            len(fields),
            *fields,
        ]
        return _Piece(arguments, line)


def _line(result: QueuedResult, now: datetime) -> LoggedEvent:
    queued = result.queued
    line = LoggedEvent(
        id="",
        at=now,
        source=EventSource.QUEUE,
        outcome=EventOutcome.UNKNOWN,
        tenant=queued.tenant,
        resource=queued.resource,
        event=queued.event,
        message="" if result.attempt else _NOT_SENT,
        period=queued.period,
        units=queued.units,
        scale=queued.scale,
        first_sent_at=queued.first_sent_at,
    )
    return settled_line(
        line,
        result.verdict,
        result.attempt,
        attempts=result.attempts,
        earlier=result.earlier,
    )


def _letter(result: QueuedResult, state: EventState, now: datetime) -> Letter:
    queued: QueuedEvent = result.queued
    attempt: Attempt | None = result.attempt
    return Letter(
        tenant=queued.tenant,
        resource=queued.resource,
        period=queued.period,
        event=queued.event,
        units=queued.units,
        scale=queued.scale,
        state=state,
        source=LetterSource.QUEUE,
        first_sent_at=queued.first_sent_at,
        at=now,
        attempts=result.attempts,
        reason=attempt.message if attempt else _NOT_SENT,
        code=attempt.code if attempt else "",
        request_id=attempt.request_id if attempt else "",
    )
