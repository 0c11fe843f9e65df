"""The scripts of letters and of repairs, called with one context's keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

from meterdeck.core.adapters.billing_arguments import stored
from meterdeck.core.adapters.letter_fields import write_letter
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    enter_write,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply, Script
from meterdeck.core.model.delivery import (
    CANCEL_WINDOW,
    OLDEST_EVENT,
    EventState,
    Letter,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import CounterId, ResourceName

OPERATION_KEPT_S = 86_400
"""Seconds for which a repeated operation id gets the first answer."""

_MILLISECOND = timedelta(milliseconds=1)
_OF_THE_QUEUE = re.compile(r"md1-[0-9a-f]{40}-q(\.r[1-9][0-9]{0,8})?")
_SIGNED = ("checks", "trail", "billing", "letters", "signed")
REPLAY_LETTER = (*_SIGNED, "replay_letter")
CANCEL_EVENT = (*_SIGNED, "cancel_event")
REPAIR_BILLING = (*_SIGNED, "repair_billing")
REQUEUE_LETTER = (*_SIGNED, "requeue_letter")
REFUSE_QUEUED = ("checks", "letters", "refuse_queued")
REFUSE_LATE = ("checks", "billing", "letters", "refuse_late")


class LetterCalls:
    """Calls the scripts and returns their replies.

    Args:
        signature: In every method: actor, origin, reason, operation id, empty.
        operation_id: What the script's answer is kept under.
    """

    def __init__(self, redis: Redis, layout: KeyLayout) -> None:
        self._redis = redis
        self._layout = layout
        self._replay = Script(*REPLAY_LETTER)
        self._cancel = Script(*CANCEL_EVENT)
        self._repair = Script(*REPAIR_BILLING)
        self._requeue = Script(*REQUEUE_LETTER)
        self._refuse = Script(*REFUSE_LATE)
        self._refuse_queued = Script(*REFUSE_QUEUED)

    async def replay(
        self,
        letter: Letter,
        how: str,
        signature: Sequence[Argument],
        operation_id: str,
    ) -> Reply:
        """Have a letter's units billed, or sent again."""
        return await self._signed(
            self._replay,
            counter_of(letter),
            signature,
            operation_id,
            [letter.event.identifier, how],
            what="settling the letter",
        )

    async def requeue(
        self,
        letter: Letter,
        how: str,
        signature: Sequence[Argument],
        operation_id: str,
    ) -> Reply:
        """Have an event of the queue queued once more, or counted as billed."""
        layout = self._layout
        if layout.tagged:
            await enter_write(self._redis)
            with redis_errors():
                await self._redis.sadd(layout.queues(), name_bytes(letter.tenant))
        return await self._signed(
            self._requeue,
            counter_of(letter),
            signature,
            operation_id,
            [
                letter.event.identifier,
                how,
                "" if how == "counted" else identifier_anew(letter),
                OLDEST_EVENT // _MILLISECOND,
            ],
            what="settling the letter",
            more_keys=[layout.queue(letter.tenant)],
        )

    async def refuse_queued(self, letter: Letter) -> Reply:
        """Note that an event of the queue was accepted and not counted."""
        layout = self._layout
        keys = [layout.letters(letter.tenant), layout.queued(letter.tenant)]
        if layout.tagged:
            await self._letter_index(letter.tenant)
        else:
            keys.append(layout.lettered())
        return await self._refuse_queued.run(
            self._redis,
            keys,
            [
                0 if layout.tagged else 1,
                name_bytes(letter.tenant),
                letter.event.identifier,
                write_letter(letter).encode(),
            ],
            what="the late refusal",
            operation_id=letter.event.identifier,
        )

    async def cancel(
        self,
        letter: Letter,
        step: str,
        *,
        rebill: bool,
        signature: Sequence[Argument],
        operation_id: str,
    ) -> Reply:
        """Take a step of cancelling an event."""
        compensated = compensation_id(letter.event.identifier)
        own: list[Argument] = [
            step,
            letter.event.identifier,
            1 if rebill else 0,
            *_event(letter),
            to_milliseconds(letter.first_sent_at),
            to_milliseconds(letter.first_sent_at + CANCEL_WINDOW)
            - to_milliseconds(letter.first_sent_at),
        ]
        if self._layout.tagged:
            await self._letter_index(letter.tenant)
        return await self._signed(
            self._cancel,
            counter_of(letter),
            signature,
            operation_id,
            own,
            what="cancelling the event",
            more_keys=[self._layout.operation(letter.tenant, compensated)],
        )

    async def repair(
        self,
        counter: CounterId,
        own: Sequence[Argument],
        signature: Sequence[Argument],
        operation_id: str,
    ) -> Reply:
        """Change a counter's billing record."""
        return await self._signed(
            self._repair,
            counter,
            signature,
            operation_id,
            own,
            what="the change of what is billed",
        )

    async def refuse_late(self, letter: Letter) -> Reply:
        """Account for an event that was accepted and not counted."""
        layout, counter = self._layout, counter_of(letter)
        keys = [
            layout.billing(counter.tenant, counter.resource, counter.period),
            layout.letters(counter.tenant),
        ]
        if layout.tagged:
            await self._letter_index(letter.tenant)
        else:
            keys += [layout.lettered(), layout.unsettled()]
        name, customer, second, *billed = _event(letter)
        arguments: list[Argument] = [
            0 if layout.tagged else 1,
            name_bytes(letter.tenant),
            letter.resource,
            letter.period,
            letter.event.identifier,
            *(name, customer, second),
            *billed,
            to_milliseconds(letter.first_sent_at),
            letter.attempts,
            stored(letter.reason),
            stored(letter.code),
            stored(letter.request_id),
        ]
        return await self._refuse.run(
            self._redis,
            keys,
            arguments,
            what="the late refusal",
            operation_id=letter.event.identifier,
        )

    async def _signed(
        self,
        script: Script,
        counter: CounterId,
        signature: Sequence[Argument],
        operation_id: str,
        own: Sequence[Argument],
        *,
        what: str,
        more_keys: Sequence[bytes] = (),
    ) -> Reply:
        layout, tenant = self._layout, counter.tenant
        keys = [
            layout.billing(tenant, counter.resource, counter.period),
            layout.letters(tenant),
            layout.audit(tenant),
            layout.operation(tenant, operation_id),
        ]
        if layout.tagged:
            await self._audit_index(tenant)
        else:
            keys += [layout.audited(), layout.sequence()]
            keys += [layout.changed(), layout.lettered()]
        keys += more_keys
        arguments: list[Argument] = [
            0 if layout.tagged else 1,
            OPERATION_KEPT_S,
            name_bytes(tenant),
            counter.resource,
            counter.period,
            *signature,
            *own,
        ]
        return await script.run(
            self._redis, keys, arguments, what=what, operation_id=operation_id
        )

    async def _audit_index(self, tenant: str) -> None:
        """Name the tenant among those that have a trail, as `ChangeCalls` does."""
        await self._index(self._layout.audited(), tenant)

    async def _letter_index(self, tenant: str) -> None:
        await self._index(self._layout.lettered(), tenant)

    async def _index(self, key: bytes, tenant: str) -> None:
        await enter_write(self._redis)
        at = to_milliseconds(await server_time(self._redis))
        with redis_errors():
            await self._redis.zadd(key, {name_bytes(tenant): at}, gt=True)


def compensation_id(identifier: str) -> str:
    """Return the operation id under which an event is compensated, by whomever."""
    name = identifier.encode("utf-8", "surrogateescape")
    return f"compensate-{hashlib.sha256(name).hexdigest()[:40]}"


def is_queued(identifier: str) -> bool:
    """Tell whether an event is one of the queue, by its identifier."""
    return _OF_THE_QUEUE.fullmatch(identifier) is not None


def identifier_anew(letter: Letter) -> str:
    """Return under which identifier a letter of the queue is sent again.

    Its own, where Stripe has not accepted it: should it have, it takes it for a repeat.
    """
    identifier = letter.event.identifier
    if letter.state is not EventState.REFUSED:
        return identifier
    head, _, number = identifier.partition(".r")
    return f"{head}.r{int(number or 0) + 1}"


def counter_of(letter: Letter) -> CounterId:
    """Return the counter whose units a letter has."""
    return CounterId(letter.tenant, ResourceName(letter.resource), letter.period)


def _event(letter: Letter) -> list[Argument]:
    """Return name, customer, second, units, scale, level."""
    event = letter.event
    return [
        stored(event.event_name),
        stored(event.customer),
        to_milliseconds(event.timestamp) // 1000,
        letter.units,
        letter.scale,
        letter.level,
    ]
