"""The script that counts usage which was allowed while Redis did not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.redis_client import Argument, Redis, to_milliseconds
from meterdeck.core.adapters.scripts import (
    CycleMoved,
    PeriodMoved,
    Reply,
    Script,
    moved,
)
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import ResourceName


@dataclass(frozen=True, slots=True)
class Used:
    """One resource of a call that was made."""

    resource: ResourceName
    amount: int
    period: Period
    counter: bytes


@dataclass(frozen=True, slots=True)
class ReplayCall:
    """A call to count.

    Attributes:
        entry: Key of the directory entry.
        call: Key of what is kept of the call's id.
        settled: Key of how the call was settled.
        reserved: Keys of the reservations of what was used, where it was to be a
            reservation; else empty.
        index: Keys of the sequence number and the index of changes, or empty.
        cycle: The billing cycle the periods come from, as the directory has it.
        proves_until: From then on a missing answer does not prove that the call was
            not counted.
    """

    tenant: bytes
    entry: bytes
    used: Sequence[Used]
    call: bytes
    settled: bytes
    reserved: Sequence[bytes]
    call_retention_s: int
    index: tuple[bytes, ...]
    retention_ms: int
    cycle: bytes
    call_id: str
    proves_until: datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """The call is counted: now, or `before`."""

    before: bool


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Counted or not, too long ago for Redis to know; it was not counted now."""


@dataclass(frozen=True, slots=True)
class Late:
    """The counter of that time is no longer kept; nothing was counted."""

    resource: str


ReplayAnswer = Replayed | Doubtful | Late | PeriodMoved | CycleMoved


class ReplayScript:
    """The script on one Redis server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = Script("checks", "replay")

    async def run(self, call: ReplayCall) -> ReplayAnswer:
        """Count a call beyond any limit, at most once a call id.

        Raises:
            As in `Script.run`.
        """
        counters = [used.counter for used in call.used]
        keys = [call.entry, *counters, call.call, call.settled, *call.index]
        arguments: list[Argument] = [
            len(call.used),
            1 if call.index else 0,
            call.tenant,
            call.retention_ms,
            call.cycle,
            call.call_retention_s,
            to_milliseconds(call.proves_until),
            1 if call.reserved else 0,
        ]
        for used in call.used:
            arguments += [
                used.resource,
                used.amount,
                to_milliseconds(used.period.start),
                to_milliseconds(used.period.end),
                used.period.label,
            ]
        reply = await self._script.run(
            self._redis,
            [*keys, *call.reserved],
            arguments,
            what="spooled usage",
            operation_id=call.call_id,
        )
        return moved(reply) or _answer(reply)


def _answer(reply: Reply) -> Replayed | Doubtful | Late:
    if reply[0] == b"doubtful":
        return Doubtful()
    if reply[0] == b"late":
        return Late(reply[1].decode())
    return Replayed(before=reply[1] == b"1")
