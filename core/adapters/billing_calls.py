"""Billing records: claiming what is unsent of counters, and settling what was sent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from meterdeck.core.adapters.billing_arguments import BillingArguments
from meterdeck.core.adapters.billing_replies import read_answer, read_record
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.script_batches import ScriptBatches, ScriptCall
from meterdeck.core.adapters.scripts import Script, problem
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    LARGEST_VALUE,
    OLDEST_EVENT,
    BillingRecord,
    Claim,
    NoClaim,
    Settlement,
    Wanted,
)
from meterdeck.core.model.usage import CounterId

TOGETHER = 64
"""Counters of one script call."""

CLAIM = ("checks", "billing", "claim")
SETTLE_DELIVERY = ("checks", "billing", "letters", "settle_delivery")

_READ_TOGETHER = 250
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
        self._arguments = BillingArguments(context)
        timeout_s = context.redis.timeout_s
        self._claim = ScriptBatches(
            redis,
            Script(*CLAIM),
            what="claiming events",
            timeout_s=timeout_s,
            replica_wait_s=self._options.replica_wait_s,
        )
        self._settle = ScriptBatches(
            redis,
            Script(*SETTLE_DELIVERY),
            what="settling events",
            timeout_s=timeout_s,
        )

    async def claim(self, wanted: Sequence[Wanted]) -> list[Claim | NoClaim]:
        """Claim what is unsent of each counter; answers are in the order of `wanted`.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Send nothing of it; what may
                have been claimed is claimed again by the next call, as the same events.
            NotReplicated: The same; a failover would take these claims back.
        """
        groups = self._grouped([each.counter for each in wanted])
        calls = [
            ScriptCall(
                [*self._unsettled_key(), *self._keys_of(wanted, group)],
                [*self._claim_head(len(group)), *self._wanted(wanted, group)],
            )
            for group in groups
        ]
        replies = await self._claim.run(calls, operation_id=self._worker)
        found: dict[int, Claim | NoClaim] = {}
        for group, reply in zip(groups, replies, strict=True):
            _check(reply, "claim")
            for place, answer in zip(group, reply[3:], strict=True):
                found[place] = read_answer(wanted[place].counter, answer)
        return [found[place] for place in range(len(wanted))]

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Account for events that were sent, or not; False: it was settled before.

        Writes the lines of the delivery log. May be repeated.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Settle them again.
        """
        groups = self._grouped([each.claim.counter for each in settlements])
        calls = [
            ScriptCall(
                [*self._settle_indexes(), *self._settled_keys(settlements, group)],
                [*self._settle_head(len(group)), *self._settled(settlements, group)],
            )
            for group in groups
        ]
        replies = await self._settle.run(calls, operation_id=self._worker)
        done = [False] * len(settlements)
        for group, reply in zip(groups, replies, strict=True):
            _check(reply, "settle_delivery")
            for place, answer in zip(group, reply[3:], strict=True):
                done[place] = answer == b"1"
        return done

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

    def _keys_of(self, wanted: Sequence[Wanted], group: Sequence[int]) -> list[bytes]:
        return [
            key
            for place in group
            for key in self._arguments.counter_keys(wanted[place].counter)
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
        return [0 if self._layout.tagged else 1, self._options.log_lines, count]

    def _settled(
        self, settlements: Sequence[Settlement], group: Sequence[int]
    ) -> list[Argument]:
        return [
            part
            for place in group
            for part in self._arguments.settlement(settlements[place])
        ]


def _check(reply: list[bytes], script: str) -> None:
    if wrong := problem(reply, script):
        raise wrong
