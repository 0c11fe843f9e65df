"""The fleet's past: earlier periods, and samples as a worker would have kept them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.model.context import Context
from meterdeck.core.model.history import DAY
from meterdeck.core.model.known_readings import hour_of, start_of
from meterdeck.core.model.periods import Period, calendar_month, current_period
from meterdeck.core.model.samples import HOURS, Sample, kept, write_samples
from meterdeck.core.model.usage import Resource, ResourceKind
from meterdeck.core.sandbox.cast import Character
from meterdeck.core.sandbox.rhythm import day_rhythm
from meterdeck.core.sandbox.roster import Roster

MOST_TENANTS: Final = 300
"""So many have a past, the first ones: a fleet of 100,000 has to be there soon."""

_WEEKEND, _SATURDAY = 0.45, 5
_INSTANT = timedelta(microseconds=1)
_RHYTHM: Final = [
    0.0,
    *accumulate(
        day_rhythm(calendar_month(start_of(0)).start + timedelta(hours=hour)) / 24
        for hour in range(24)
    ),
]


class FleetPast:
    """Writes what the first tenants used before, hour by hour and period by period."""

    def __init__(self, redis: Redis, context: Context, roster: Roster) -> None:
        self._redis = redis
        self._context = context
        self._roster = roster
        self._kept = timedelta(days=context.redis.retention_days)

    async def fill(self, characters: Sequence[Character], now: datetime) -> None:
        """Write it; counters and samples that exist are kept.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `redis_errors`.
        """
        layout = self._context.redis.layout
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in self._all(characters[:MOST_TENANTS], now):
                ends = each.period.end + self._kept
                names = (each.character.company.id, each.resource.name)
                if each.over and each.used:
                    counter = layout.counter(*names, each.period.label)
                    pipe.set(counter, each.used, nx=True, exat=ends)
                if samples := each.samples():
                    key = layout.history(names[0], each.period.label).decode()
                    pipe.hsetnx(key, names[1], samples)
                    pipe.expireat(key, ends)
            first = calendar_month(now - self._kept)
            for month in dict.fromkeys((first, calendar_month(now))):
                bits = _looked(month, now)
                ends = month.end + self._kept
                pipe.set(layout.sampled(month.label), bits, nx=True, exat=ends)
            with redis_errors(write="the fleet's past"):
                await pipe.execute()

    def _all(self, characters: Iterable[Character], now: datetime) -> Iterator[_Use]:
        for each in characters:
            for resource in self._context.resources:
                if resource.kind is ResourceKind.COUNTER:
                    yield from self._of(each, resource, now)

    def _of(
        self, character: Character, resource: Resource, now: datetime
    ) -> Iterator[_Use]:
        cycle = self._roster.cycle_of(character.company.id)
        period = current_period(resource.period, cycle, now)
        elapsed = (now - period.start) / (period.end - period.start)
        used = character.used(resource.name, elapsed)
        yield _Use(character, resource, period, used, now, over=False)
        chance = random.Random(f"{character.company.id}:{resource.name}:past")
        while True:
            period = current_period(resource.period, cycle, period.start - _INSTANT)
            not_yet = cycle is not None and period.start < character.anchor
            if period.end + self._kept <= now or not_yet:
                return
            used = round(character.used(resource.name, 1.0) * chance.uniform(0.5, 1.0))
            yield _Use(character, resource, period, used, period.end, over=True)


@dataclass(frozen=True, slots=True)
class _Use:
    """What a tenant used of a resource in a period, up to a moment."""

    character: Character
    resource: Resource
    period: Period
    used: int
    until: datetime
    over: bool

    def samples(self) -> bytes:
        """Return its samples as they are kept; empty where nothing was used."""
        name = f"{self.character.company.id}:{self.resource.name}"
        pace = _Pace(name, self.period.start, self.until)
        taken: list[Sample] = []
        for hour in _hours(self.period.start, self.until):
            sample = Sample(hour, round(self.used * pace.share(start_of(hour))))
            if sample.value > (taken[-1].value if taken else 0):
                taken.append(sample)
        limit = self.character.limits[self.resource.name]
        return write_samples(kept(taken, limit)) if taken else b""


class _Pace:
    """Which share of what is used between two moments was used at one between them."""

    def __init__(self, seed: str, start: datetime, until: datetime) -> None:
        self._midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        chance = random.Random(seed)
        weights = [
            (_WEEKEND if day.weekday() >= _SATURDAY else 1.0) * chance.uniform(0.5, 1.5)
            for day in _days(self._midnight, until)
        ]
        self._weights, self._sums = weights, [0.0, *accumulate(weights)]
        self._first, self._last = self._sum(start), self._sum(until)

    def _sum(self, moment: datetime) -> float:
        day = min((moment - self._midnight) // DAY, len(self._weights) - 1)
        hours = (moment - self._midnight - day * DAY) / timedelta(hours=1)
        hour = min(int(hours), 23)
        part = _RHYTHM[hour] + (_RHYTHM[hour + 1] - _RHYTHM[hour]) * (hours - hour)
        return self._sums[day] + self._weights[day] * part

    def share(self, moment: datetime) -> float:
        """Return the share at a moment, from 0 to 1."""
        whole = self._last - self._first
        return (self._sum(moment) - self._first) / whole if whole else 1.0


def _days(midnight: datetime, until: datetime) -> Iterator[datetime]:
    while midnight <= until:
        yield midnight
        midnight += DAY


def _hours(start: datetime, until: datetime) -> list[int]:
    """Return the hours of which samples are kept: each midnight, and all of a day."""
    first, last = hour_of(start) + 1, hour_of(until)
    return [
        hour for hour in range(first, last + 1) if hour > last - HOURS or hour % 24 == 0
    ]


def _looked(month: Period, now: datetime) -> bytes:
    """Return the bitmap of a month's hours, all of them up to now."""
    until = min(month.end, now)
    bits = hour_of(until) - hour_of(month.start) + (1 if until < month.end else 0)
    return b"\xff" * (bits // 8) + bytes([(0xFF00 >> bits % 8) & 0xFF])
