"""Billing records: claiming what is unsent of counters, and settling what was sent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from meterdeck.core.adapters.billing_arguments import BillingArguments, line_parts
from meterdeck.core.adapters.billing_indexes import BillingIndexes
from meterdeck.core.adapters.billing_replies import read_answer, read_record
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.script_batches import ScriptBatches, ScriptCall
from meterdeck.core.adapters.scripts import Script, problem
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    LARGEST_VALUE,
    OLDEST_EVENT,
    BillingRecord,
    Claim,
    Confirmation,
    NoClaim,
    NotClaimed,
    Settlement,
    Verdict,
    Wanted,
)
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import CounterId

TOGETHER = 64
"""Counters of one script call."""

CLAIM = ("checks", "billing", "claim")
CONFIRM = ("checks", "confirm")
SETTLE_DELIVERY = ("checks", "billing", "letters", "settle_delivery")

_READ_TOGETHER = 250
_IN_FLIGHT = (NotClaimed.LEASED, NotClaimed.EXPIRED)
_MILLISECOND = timedelta(milliseconds=1)


class BillingRecords:
    """The billing records of one context, for one worker.

    A claim is safe to repeat: while it is in flight it is the same event. So is a
    settlement: the second finds nothing to do.

    Args:
        worker: The worker's id; claims are its own for `delivery.takeover_s`.
    """

    def __init__(self, redis: Redis, context: Context, worker: str) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._worker = worker
        self._epoch = secrets.token_hex(4)
        self._options = context.delivery
        self._lease_ms = int(self._options.takeover_s * 1000)
        self._arguments = BillingArguments(context)
        self._indexes = BillingIndexes(redis, self._layout, self._epoch)
        wait_s, timeout_s = self._options.replica_wait_s, context.redis.timeout_s
        self._claim = ScriptBatches(
            redis,
            Script(*CLAIM),
            what="claiming events",
            timeout_s=timeout_s,
            replica_wait_s=wait_s,
        )
        self._settle = ScriptBatches(
            redis,
            Script(*SETTLE_DELIVERY),
            what="settling events",
            timeout_s=timeout_s,
        )
        self._confirm = ScriptBatches(
            redis,
            Script(*CONFIRM),
            what="confirming events",
            timeout_s=timeout_s,
        )

    async def claim(self, wanted: Sequence[Wanted]) -> list[Claim | NoClaim]:
        """Claim what is unsent of each counter; answers are in the order of `wanted`.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Send nothing of it; what may
                have been claimed is claimed again by the next call, as the same events.
            NotReplicated: The same; a failover would take these claims back.
        """
        counters = [each.counter for each in wanted]
        if self._layout.tagged:
            records = map(self._arguments.record, counters)
            await self._indexes.claiming(records, self._lease_ms)
        groups = self._grouped(counters)
        calls = [
            ScriptCall(
                [*self._unsettled_key(), *self._counter_keys(counters, group)],
                [*self._claim_head(len(group)), *self._wanted(wanted, group)],
            )
            for group in groups
        ]
        replies = await self._claim.run(calls, operation_id=self._worker)
        answers = self._answers(groups, replies, "claim")
        found = [
            read_answer(counters[place], answers[place])
            for place in range(len(counters))
        ]
        if self._layout.tagged:
            await self._indexes.nothing_in_flight(
                self._arguments.record(each.counter)
                for each in found
                if isinstance(each, NoClaim) and each.why not in _IN_FLIGHT
            )
        return found

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Account for events that were sent, or not; False: nothing was changed.

        Either it was settled before, or it was not delivered and another worker has
        it. Writes the lines of the delivery log. May be repeated.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Settle them again.
        """
        if self._layout.tagged:
            await self._announce(settlements)
        groups = self._grouped([each.claim.counter for each in settlements])
        lines = [line_parts(each) for each in settlements]
        sent = [[] if self._layout.tagged else line for line in lines]
        calls = [
            ScriptCall(
                [*self._settle_indexes(), *self._settled_keys(settlements, group)],
                [
                    *self._settle_head(len(group)),
                    *(
                        part
                        for at in group
                        for part in self._arguments.settlement(
                            settlements[at], sent[at]
                        )
                    ),
                ],
            )
            for group in groups
        ]
        replies = await self._settle.run(calls, operation_id=self._worker)
        answers = self._answers(groups, replies, "settle_delivery")
        done = [answers[place] == b"1" for place in range(len(settlements))]
        if self._layout.tagged:
            await self._note(settlements, done, lines)
        return done

    async def confirm(self, confirmations: Sequence[Confirmation]) -> None:
        """Write down that Stripe's summaries agreed; an older one changes nothing.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Do it again.
        """
        groups = self._grouped([each.counter for each in confirmations])
        calls = [
            ScriptCall(
                [self._arguments.record(confirmations[at].counter) for at in group],
                [
                    number
                    for at in group
                    for number in (confirmations[at].units, confirmations[at].sequence)
                ],
            )
            for group in groups
        ]
        replies = await self._confirm.run(calls, operation_id=self._worker)
        self._answers(groups, replies, "confirm")

    async def read(self, counters: Sequence[CounterId]) -> list[BillingRecord]:
        """Read billing records and their counters; nothing is written.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        records: list[BillingRecord] = []
        for start in range(0, len(counters), _READ_TOGETHER):
            records += await self._read(counters[start : start + _READ_TOGETHER])
        return records

    async def unsettled(self, before: datetime, count: int) -> list[CounterId]:
        """Return counters with an event in flight that is nobody's since `before`.

        Those that wait longest come first, `count` at most.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        with redis_errors():
            keys = await self._redis.zrangebyscore(
                self._layout.unsettled(),
                "-inf",
                to_milliseconds(before),
                start=0,
                num=count,
            )
        found = (self._layout.parse_billing(cast("bytes", key)) for key in keys)
        return [each for each in found if each is not None]

    async def _read(self, counters: Sequence[CounterId]) -> list[BillingRecord]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for counter in counters:
                used, record, reserved = self._arguments.counter_keys(counter)
                pipe.get(used)
                pipe.hgetall(record)
                pipe.zrangebyscore(reserved, "-inf", "(+inf")
            with redis_errors():
                replies = await pipe.execute(raise_on_error=False)
        return [
            read_record(counter, *replies[3 * place : 3 * place + 3])
            for place, counter in enumerate(counters)
        ]

    def _grouped(self, counters: Sequence[CounterId]) -> list[list[int]]:
        """Return which counters share a script call, by their places; none twice."""
        groups: list[list[int]] = []
        open_ones: dict[str, int] = {}
        seen: dict[CounterId, int] = {}
        for place, counter in enumerate(counters):
            name = counter.tenant if self._layout.tagged else ""
            number = open_ones.get(name)
            again = number is not None and seen.get(counter) == number
            if number is None or again or len(groups[number]) == TOGETHER:
                number = open_ones[name] = len(groups)
                groups.append([])
            groups[number].append(place)
            seen[counter] = number
        return groups

    def _unsettled_key(self) -> list[bytes]:
        return [] if self._layout.tagged else [self._layout.unsettled()]

    def _counter_keys(
        self, counters: Sequence[CounterId], group: Sequence[int]
    ) -> list[bytes]:
        return [
            key for at in group for key in self._arguments.counter_keys(counters[at])
        ]

    def _claim_head(self, count: int) -> list[Argument]:
        return [
            0 if self._layout.tagged else 1,
            self._worker,
            int(self._options.takeover_s * 1000),
            self._epoch,
            self._layout.prefix,
            (IDENTIFIER_WINDOW - IDENTIFIER_MARGIN) // _MILLISECOND,
            OLDEST_EVENT // _MILLISECOND,
            LARGEST_VALUE,
            count,
        ]

    def _wanted(self, wanted: Sequence[Wanted], group: Sequence[int]) -> list[Argument]:
        return [
            part for place in group for part in self._arguments.wanted(wanted[place])
        ]

    def _settle_indexes(self) -> list[bytes]:
        layout = self._layout
        if layout.tagged:
            return []
        return [layout.unsettled(), layout.lettered(), layout.events()]

    def _settled_keys(
        self, settlements: Sequence[Settlement], group: Sequence[int]
    ) -> list[bytes]:
        return [
            key
            for place in group
            for key in self._arguments.settlement_keys(settlements[place].claim.counter)
        ]

    def _settle_head(self, count: int) -> list[Argument]:
        return [
            0 if self._layout.tagged else 1,
            self._options.log_lines,
            self._worker,
            count,
        ]

    def _answers(
        self, groups: Sequence[Sequence[int]], replies: Sequence[list[Any]], script: str
    ) -> dict[int, Any]:
        """Return what was answered, by the places of who asked."""
        answers: dict[int, Any] = {}
        for group, reply in zip(groups, replies, strict=True):
            if wrong := problem(reply, script):
                raise wrong
            self._indexes.learn(int(reply[2]))
            answers.update(zip(group, reply[3:], strict=True))
        return answers

    async def _announce(self, settlements: Sequence[Settlement]) -> None:
        """Write what a cluster's script cannot, before it."""
        await self._indexes.lettered(
            name_bytes(each.claim.counter.tenant)
            for each in settlements
            if each.verdict in (Verdict.DEAD, Verdict.AMBIGUOUS)
        )
        await self._indexes.later(
            {
                self._arguments.record(each.claim.counter): int(
                    each.again_after_s * 1000
                )
                for each in settlements
                if each.verdict is Verdict.LATER
            }
        )

    async def _note(
        self,
        settlements: Sequence[Settlement],
        done: Sequence[bool],
        lines: Sequence[Sequence[bytes]],
    ) -> None:
        """Write what a cluster's script cannot, after it."""
        await self._indexes.nothing_in_flight(
            self._arguments.record(each.claim.counter)
            for each, yes in zip(settlements, done, strict=True)
            if yes and each.verdict is not Verdict.LATER
        )
        written = [line for line, yes in zip(lines, done, strict=True) if yes and line]
        with suppress(MeterdeckError):  # settled it is; the log tells, and counts not
            await self._indexes.log(written, self._options.log_lines)
