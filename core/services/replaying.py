"""Counting spooled calls: each once, in the period in which it was made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.adapters.replay_script import (
    Doubtful,
    Late,
    ReplayCall,
    Replayed,
    ReplayScript,
    Used,
)
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.adapters.settle_calls import Settling
from meterdeck.core.adapters.spool import Batch, SpoolFolder
from meterdeck.core.errors import BadInput, NotFound, Refused, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.degraded import SpooledCall, SpooledKind, Unsettled
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import PeriodKind, current_period
from meterdeck.core.model.usage import Resource, ResourceKind
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle
from meterdeck.core.services.kind_replaying import KindReplayer
from meterdeck.core.services.kinds import check_kind
from meterdeck.core.services.reservations import Reservations
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.spooling import Spool
from meterdeck.core.services.track_replaying import TrackReplayer
from meterdeck.core.services.usage import CALL_KEPT_S

REPLAY_KEPT_S = 7 * 86_400
"""Seconds for which Redis knows that a spooled call was counted."""

_AT_ONCE = 64
_ROUNDS = 4
_DAY_MS = 86_400_000
# How much earlier than Redis forgets we stop to take its silence for a proof: our
# idea of its time may be off.
_CALL_MARGIN_S = 60
_REPLAY_MARGIN_S = 3600

_DOUBTFUL = "its answer was lost, and too long ago for Redis to know whether it counted"


class Replayer:
    """Counts what a spool holds; Redis is told each call at most once.

    The calls of a batch are marked as begun on the disk before the first is sent, and
    Redis keeps their ids for seven days: whatever dies in between, the next replayer
    asks for the same ids again. How a call ended is told after the calls before it.
    A call of which nobody can tell any more whether it
    was counted is not counted, but put aside.
    """

    def __init__(
        self, redis: Redis, context: Context, spool: Spool, clock: ServerClock
    ) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._script = ReplayScript(redis)
        self._kinds = KindReplayer(redis, context, clock, REPLAY_KEPT_S)
        self._tracked = TrackReplayer(
            redis, context, clock, keep_s=REPLAY_KEPT_S, doubtful=_DOUBTFUL
        )
        self._reservations = Reservations(redis, context)
        self._spool = spool
        self._clock = clock

    async def replay(self) -> None:
        """Count everything; the clock must have been learned.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: The rest waits for later.
            OSError: The disk could not be read or written; so it does.
        """
        for folder in self._spool.folders:
            while (batch := await self._spool.next_batch(folder, _AT_ONCE)).calls:
                await self._count_batch(folder, batch)
        await self._spool.release_adopted()

    async def _count_batch(self, folder: SpoolFolder, batch: Batch) -> None:
        begun_at = batch.begun_at or self._clock.now()
        await self._spool.begin(folder, batch, begun_at)
        results = await self._tell(batch.calls, begun_at)
        done = 0
        unsettled = []
        error: BaseException | None = None
        for result in results:
            if isinstance(result, BaseException):
                error = result
                break
            done += 1
            unsettled += [result] if result else []
        if done:
            await self._spool.settle(folder, batch, done, unsettled)
        if error is not None:
            raise error

    async def _tell(
        self, calls: Sequence[SpooledCall], begun_at: datetime
    ) -> list[Unsettled | BaseException | None]:
        """Tell the calls; one that failed is the last of the answer.

        Tenants have nothing in common: each one's calls are told beside the others'.
        """
        tenants: dict[str, list[SpooledCall]] = {}
        for call in calls:
            tenants.setdefault(call.tenant, []).append(call)
        told = await asyncio.gather(
            *(self._tell_of_one(each, begun_at) for each in tenants.values())
        )
        answers = dict(zip(tenants, map(iter, told), strict=True))
        results: list[Unsettled | BaseException | None] = []
        for call in calls:
            results.append(next(answers[call.tenant]))
            if isinstance(results[-1], BaseException):
                break  # what was told of the calls behind it is recognised later
        return results

    async def _tell_of_one(
        self, calls: Sequence[SpooledCall], begun_at: datetime
    ) -> list[Unsettled | BaseException | None]:
        """Tell a tenant's calls; one that failed is the last of the answer.

        A reading sets what the calls before it moved, and those after it move that.
        """
        results: list[Unsettled | BaseException | None] = []
        for readings, some in groupby(calls, key=_is_reading):
            if readings:
                results += await self._read([*some])
            else:
                results += await self._use([*some], begun_at)
            if any(isinstance(each, BaseException) for each in results):
                break
        return results

    async def _read(
        self, calls: Sequence[SpooledCall]
    ) -> list[Unsettled | BaseException | None]:
        results: list[Unsettled | BaseException | None] = []
        for call in calls:
            try:
                results.append(await self._kinds.tell(call))
            except Unreachable as error:
                return [*results, error]
        return results

    async def _use(
        self, calls: Sequence[SpooledCall], begun_at: datetime
    ) -> list[Unsettled | BaseException | None]:
        """Count the calls, all at once; then settle those that ended, in order."""
        uses = [call for call in calls if not call.settles]
        counted = await asyncio.gather(
            *(self._tell_use(call, begun_at) for call in uses), return_exceptions=True
        )
        failure = next((each for each in counted if isinstance(each, Exception)), None)
        rest = iter(counted)
        results: list[Unsettled | BaseException | None] = []
        for call in calls:
            if not call.settles:
                results.append(next(rest))
                continue
            # What it is about may be among the calls that failed.
            result = failure or await self._settle(call)
            failure = result if isinstance(result, Exception) else failure
            results.append(result)
        return results

    async def _settle(self, call: SpooledCall) -> Unsettled | Unreachable | None:
        how = Settling(call.kind.value)
        amounts = {str(name): units for name, units in call.amounts}
        try:
            await self._reservations.settle(
                how, call.tenant, call.call_id, amounts or None
            )
        except Unreachable as error:
            return error
        except (Refused, BadInput, NotFound) as error:
            return Unsettled(call, f"{how}: {error}")
        return None

    async def _tell_use(
        self, call: SpooledCall, begun_at: datetime
    ) -> Unsettled | None:
        if call.kind is SpooledKind.MEMBERS:
            return await self._kinds.tell(call)
        if call.kind is SpooledKind.TRACK:
            return await self._tracked.tell(call, _proves_until(call, begun_at))
        return await self._count(call, begun_at)

    async def _count(self, call: SpooledCall, begun_at: datetime) -> Unsettled | None:
        try:
            resources = [self._context.resource(name) for name, _ in call.amounts]
            for each in resources:
                check_kind(each, ResourceKind.COUNTER, ResourceKind.GAUGE)
            for _ in range(_ROUNDS):
                answer = await self._script.run(
                    await self._call(call, resources, begun_at)
                )
                match answer:
                    case Replayed():
                        return None
                    case Doubtful():
                        return Unsettled(call, _DOUBTFUL)
                    case Late(resource):
                        return Unsettled(
                            call, f"the counter of {resource} of that time is gone"
                        )
                    case PeriodMoved(now):
                        self._clock.learn(now)
                    case CycleMoved():
                        continue
        except (Refused, BadInput, NotFound) as error:
            return Unsettled(call, str(error))
        return Unsettled(call, "the billing period keeps changing")

    async def _call(
        self, call: SpooledCall, resources: list[Resource], begun_at: datetime
    ) -> ReplayCall:
        layout = self._layout
        fields = await self._cycle_fields(call, resources)
        cycle = read_cycle(fields) if fields else None
        # A clock that ran ahead of the server's must not count in a period to come.
        at = min(call.at, self._clock.now())
        periods = [current_period(each.period, cycle, at) for each in resources]
        used = [
            Used(name, amount, period, layout.counter(call.tenant, name, period.label))
            # In the order in which `consume` names them, of whom this may be a repeat.
            for (name, amount), period in sorted(
                zip(call.amounts, periods, strict=True), key=itemgetter(0)
            )
        ]
        return ReplayCall(
            tenant=name_bytes(call.tenant),
            entry=layout.tenant(call.tenant),
            used=used,
            call=layout.call(call.tenant, call.call_id),
            settled=layout.settled(call.tenant, call.call_id),
            reserved=self._reserved(call, used),
            call_retention_s=REPLAY_KEPT_S,
            index=() if layout.tagged else (layout.sequence(), layout.changed()),
            retention_ms=self._context.redis.retention_days * _DAY_MS,
            cycle=b" ".join(field or b"" for field in fields),
            call_id=call.call_id,
            proves_until=_proves_until(call, begun_at),
        )

    def _reserved(self, call: SpooledCall, used: Sequence[Used]) -> list[bytes]:
        if call.kind is not SpooledKind.RESERVE:
            return []
        return [
            self._layout.reserved(call.tenant, each.resource, each.period.label)
            for each in used
        ]

    async def _cycle_fields(
        self, call: SpooledCall, resources: list[Resource]
    ) -> list[bytes | None]:
        if all(each.period is not PeriodKind.BILLING_CYCLE for each in resources):
            return []
        with redis_errors():
            key = self._layout.tenant(call.tenant)
            reply = await self._redis.hmget(key, list(CYCLE_FIELDS))
        return cast("list[bytes | None]", reply)


def _is_reading(call: SpooledCall) -> bool:
    return call.kind is SpooledKind.READING


def _proves_until(call: SpooledCall, begun_at: datetime) -> datetime:
    until = begun_at + timedelta(seconds=REPLAY_KEPT_S - _REPLAY_MARGIN_S)
    if call.sent:
        kept = timedelta(seconds=CALL_KEPT_S - _CALL_MARGIN_S)
        until = min(until, call.at + kept)
    return until
