"""The scripts of letters and of repairs, called with one context's keys."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.adapters.billing_arguments import stored
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply, Script
from meterdeck.core.model.delivery import CANCEL_WINDOW, Letter
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import CounterId, ResourceName

OPERATION_KEPT_S = 86_400
"""Seconds for which a repeated operation id gets the first answer."""

_SIGNED = ("checks", "trail", "billing", "letters", "signed")
REPLAY_LETTER = (*_SIGNED, "replay_letter")
CANCEL_EVENT = (*_SIGNED, "cancel_event")
REPAIR_BILLING = (*_SIGNED, "repair_billing")
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
        self._refuse = Script(*REFUSE_LATE)

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
        at = to_milliseconds(await server_time(self._redis))
        with redis_errors():
            await self._redis.zadd(key, {name_bytes(tenant): at}, gt=True)


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
