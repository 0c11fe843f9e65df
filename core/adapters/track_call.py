"""Usage that needs a meter event of its own, as its script takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.kind_calls import KindCall, read_decision
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    from_milliseconds,
    to_milliseconds,
)
from meterdeck.core.adapters.replay_script import Doubtful, Late
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved, Script, moved
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.periods import Period

TRACK = ("checks", "rules", "refusals", "one_limit", "track")
"""The files that make up the script's text."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The use was allowed while Redis did not answer.

    Attributes:
        at: When that was.
        proves_until: From then on it is not known whether it was counted.
    """

    at: datetime
    proves_until: datetime


@dataclass(frozen=True, slots=True)
class TrackedUse:
    """What is counted and queued.

    Attributes:
        cycle: The billing cycle that the period comes from, as the directory has it.
        retention_ms: How long the counter is kept after the period's end.
        used_at: None: now.
        dimensions: A JSON object, its names in order.
    """

    units: int
    scale: int
    event_name: str
    period: Period
    cycle: bytes
    retention_ms: int
    used_at: datetime | None
    dimensions: str
    source: str
    allowed: Allowed | None = None

    def arguments(self, call: KindCall) -> list[Argument]:
        """Return the script's arguments."""
        allowed = self.allowed
        return [
            *call.head(),
            to_milliseconds(self.period.start),
            to_milliseconds(self.period.end),
            self.period.label,
            self.cycle,
            *call.term.fields(),
            self.retention_ms,
            call.kept,
            self.units,
            self.scale,
            self.event_name.encode(),
            _seconds(self.used_at),
            self.dimensions.encode(),
            self.source,
            _seconds(allowed.at if allowed else None),
            to_milliseconds(allowed.proves_until) if allowed else "",
        ]


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The time of use is not in the period, or Stripe would not take it."""

    now: datetime


TrackAnswer = Decision | OutOfTime | Late | Doubtful | PeriodMoved | CycleMoved


class TrackScript:
    """The script on one Redis server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = Script(*TRACK)

    async def run(self, call: KindCall, use: TrackedUse) -> TrackAnswer:
        """Count and queue; at most once a call id. Raises as `Script.run`."""
        reply = await self._script.run(
            self._redis,
            call.all_keys(),
            use.arguments(call),
            what="tracking the use",
            operation_id=call.call_id,
        )
        match reply[0]:
            case b"when":
                return OutOfTime(from_milliseconds(int(reply[1])))
            case b"late":
                return Late(reply[1].decode())
            case b"doubtful":
                return Doubtful()
            case _:
                return moved(reply) or read_decision(call, reply)


def _seconds(moment: datetime | None) -> str:
    return "" if moment is None else str(to_milliseconds(moment) // 1000)
