"""Gauges' readings and distinct members as their scripts take them, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    from_milliseconds,
    to_milliseconds,
)
from meterdeck.core.adapters.replay_script import Late
from meterdeck.core.adapters.scripts import (
    CycleMoved,
    PeriodMoved,
    Reply,
    Script,
    limit_text,
    moved,
    read_limit,
)
from meterdeck.core.model.decisions import (
    Beyond,
    Decision,
    GaugeReading,
    Refusal,
    ResourceDecision,
)
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, ResourceName

SET_GAUGE = ("checks", "reserved", "rules", "one_limit", "set_gauge")
COUNT_UNIQUE = ("checks", "rules", "refusals", "one_limit", "count_unique")
"""The files that make up the scripts' texts."""

_REFUSALS = {each.value.encode(): each for each in Refusal}
_BEYONDS = {each.value.encode(): each for each in Beyond}


@dataclass(frozen=True, slots=True)
class OneLimit:
    """A resource, and the limit where no plan or override says more.

    Attributes:
        rule: As the scripts take it; empty: hard, and no entry says otherwise.
    """

    resource: ResourceName
    limit: Limit
    rule: str

    def fields(self) -> list[Argument]:
        """Return limit, source and rule as the scripts take them."""
        return [limit_text(self.limit), self.limit.source, self.rule]


@dataclass(frozen=True, slots=True)
class KindCall:
    """What both scripts are given.

    Attributes:
        keys: As the script names them, but for the following.
        call: Key of what is kept of the call's id; empty where it has none.
        index: Keys of the sequence number and the index of changes, or empty.
        keep_s: How long the answer is kept.
    """

    tenant: bytes
    term: OneLimit
    keys: Sequence[bytes]
    call: bytes
    index: Sequence[bytes]
    call_id: str
    keep_s: int

    def all_keys(self) -> list[bytes]:
        """Return the keys in the order of the scripts."""
        return [*self.keys, *([self.call] if self.call else []), *self.index]

    def head(self) -> list[Argument]:
        """Return the arguments that both scripts begin with."""
        return [1 if self.index else 0, self.tenant, self.term.resource]

    @property
    def kept(self) -> int:
        """Seconds to keep the answer for; 0 where there is no id."""
        return self.keep_s if self.call else 0


@dataclass(frozen=True, slots=True)
class When:
    """The period that members are counted in.

    Attributes:
        cycle: The billing cycle it comes from, as the directory has it.
        retention_ms: How long its counter is kept after its end.
        allowed_before: The members were allowed while Redis did not answer: no limit
            is asked, and the period may be over.
    """

    period: Period
    cycle: bytes
    retention_ms: int
    allowed_before: bool = False


UniqueAnswer = Decision | Late | PeriodMoved | CycleMoved


class KindScripts:
    """The two scripts on one Redis server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._set_gauge = Script(*SET_GAUGE)
        self._count_unique = Script(*COUNT_UNIQUE)

    async def set_gauge(
        self, call: KindCall, value: int, measured_ms: int | None
    ) -> GaugeReading:
        """Record a reading; at most once a call id. Raises as `Script.run`."""
        reply = await self._set_gauge.run(
            self._redis,
            call.all_keys(),
            [
                *call.head(),
                value,
                "" if measured_ms is None else measured_ms,
                *call.term.fields(),
                call.kept,
            ],
            what="the reading",
            operation_id=call.call_id,
        )
        return _reading(call, reply)

    async def count_unique(
        self, call: KindCall, when: When, members: Sequence[bytes]
    ) -> UniqueAnswer:
        """Count members; at most once a call id. Raises as `Script.run`."""
        period = when.period
        reply = await self._count_unique.run(
            self._redis,
            call.all_keys(),
            [
                *call.head(),
                to_milliseconds(period.start),
                to_milliseconds(period.end),
                period.label,
                when.cycle,
                *call.term.fields(),
                when.retention_ms,
                call.kept,
                1 if when.allowed_before else 0,
                *members,
            ],
            what="naming members",
            operation_id=call.call_id,
        )
        if reply[0] == b"late":
            return Late(reply[1].decode())
        return moved(reply) or read_decision(call, reply)


def _reading(call: KindCall, reply: Reply) -> GaugeReading:
    current, limit = int(reply[5]), read_limit(reply[6], reply[7])
    return GaugeReading(
        resource=call.term.resource,
        before=int(reply[4]),
        current=current,
        limit=limit,
        remaining=_remaining(limit, current),
        over=reply[8] == b"over",
        stale=reply[2] == b"1",
        measured_at=from_milliseconds(int(reply[9])),
        call_id=call.call_id,
        replayed=reply[1] == b"1",
    )


def read_decision(call: KindCall, reply: Reply) -> Decision:
    """Read the answer to a call of one resource."""
    current, limit = int(reply[5]), read_limit(reply[6], reply[7])
    start, end = (from_milliseconds(int(each)) for each in reply[9:11])
    reason = _REFUSALS.get(reply[8])
    decided = ResourceDecision(
        call.term.resource,
        current,
        limit,
        _remaining(limit, current),
        Period(start, end, reply[11].decode()),
        reason is not None,
        reason,
        _BEYONDS.get(reply[8]),
    )
    return Decision(reply[2] == b"1", (decided,), call.call_id, reply[1] == b"1")


def _remaining(limit: Limit, current: int) -> int | None:
    return None if limit.units is None else max(0, limit.units - current)
