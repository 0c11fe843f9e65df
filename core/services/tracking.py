"""Counting use that is billed by a meter event of its own, and queueing the event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from meterdeck.core.adapters.redis_client import Redis, enter_write, redis_errors
from meterdeck.core.adapters.scripts import CycleMoved, PeriodMoved
from meterdeck.core.adapters.track_call import (
    Allowed,
    OutOfTime,
    TrackAnswer,
    TrackedUse,
    TrackScript,
)
from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.delivery import (
    LARGEST_VALUE,
    LONGEST_TEXT,
    NEWEST_EVENT,
    OLDEST_EVENT,
)
from meterdeck.core.model.events import EventSource
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.queued import MOST_DIMENSIONS
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, TenantId
from meterdeck.core.services.asking_again import ask_twice
from meterdeck.core.services.current_periods import CurrentPeriods, Reckoning
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.one_calls import OneCalls
from meterdeck.core.services.queue_entries import write_dimensions
from meterdeck.core.services.recent import make_room

_ROUNDS = 4
_DAY_MS = 86_400_000
_OWN_NAMES = ("value", "stripe_customer_id")
_ANNOUNCED_S = 60.0
_MOST_ANNOUNCED = 10_000


@dataclass(frozen=True, slots=True)
class TrackedCall:
    """A use as its caller tells it.

    Attributes:
        timestamp: When it was used; None: now.
    """

    call: OneCall
    units: int
    dimensions: Mapping[str, str] | None = None
    timestamp: datetime | None = None

    def checked(self, context: Context) -> Resource:
        """Return its resource, which is billed by events.

        Raises:
            BadInput, NotFound: An argument is wrong.
            ReadOnly: The context allows no changes.
        """
        found = self.call.checked_to_track(context)
        if type(self.units) is not int or not 1 <= self.units <= LARGEST_VALUE:
            raise BadInput(
                f"{self.units!r} {visible(found.name)} cannot be tracked;"
                f" give a whole number from 1 to {LARGEST_VALUE:,}"
            )
        check_dimensions(self.dimensions)
        at = self.timestamp
        if at is not None and (at.tzinfo is None):
            raise BadInput("the time of use has no time zone; give one")
        return found

    def named(self) -> TrackedCall:
        """Return it with an id; one is made where it has none."""
        if self.call.call_id is not None:
            return self
        return replace(self, call=replace(self.call, call_id=uuid4().hex))


class Tracking:
    """Counts and queues for one context's tenants.

    Args:
        keep_s: How long a repeated call id gets the first answer.
    """

    def __init__(
        self, redis: Redis, context: Context, periods: CurrentPeriods, keep_s: int
    ) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._periods = periods
        self._calls = OneCalls(context, keep_s)
        self._script = TrackScript(redis)
        self._retention_ms = context.redis.retention_days * _DAY_MS
        self._announced: dict[str, float] = {}

    async def track(self, wanted: TrackedCall) -> Decision:
        """Count a use and queue its event; see `UsageService.track`."""
        found = wanted.checked(self._context)
        wanted = wanted.named()
        who = TenantId(wanted.call.tenant)
        for _ in range(_ROUNDS):
            reckoning = await self._periods.of(who, [found])
            period = reckoning.periods[found.name]
            use = self.use(wanted, found, reckoning)
            match await self.track_in(wanted, found, use):
                case Decision() as made:
                    return made
                case OutOfTime(now):
                    raise _out_of_time(wanted, period, now)
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(who)
        raise Refused("the billing period keeps changing; nothing was counted")

    async def track_in(
        self, wanted: TrackedCall, resource: Resource, use: TrackedUse
    ) -> TrackAnswer:
        """Count and queue in one period; the arguments were checked."""
        layout, tenant = self._layout, wanted.call.tenant
        name, label = resource.name, use.period.label
        keys = [
            layout.tenant(tenant),
            layout.counter(tenant, name, label),
            layout.override(tenant, name),
            layout.beyond(tenant, name, label),
            layout.refusals(tenant),
            layout.queue(tenant),
        ]
        call = self._calls.of(wanted.call, resource, keys)
        if layout.tagged:
            await self._announce(tenant)
        return await ask_twice(lambda: self._script.run(call, use))

    def use(
        self,
        wanted: TrackedCall,
        resource: Resource,
        reckoning: Reckoning,
        allowed: Allowed | None = None,
    ) -> TrackedUse:
        """Return what is counted and queued in that period."""
        return TrackedUse(
            units=wanted.units,
            scale=resource.scale,
            event_name=resource.meter,
            period=reckoning.periods[resource.name],
            cycle=reckoning.cycle,
            retention_ms=self._retention_ms,
            used_at=wanted.timestamp,
            dimensions=write_dimensions(wanted.dimensions),
            source=EventSource.APPLICATION.value,
            allowed=allowed,
        )

    async def _announce(self, tenant: str) -> None:
        """Name the tenant among those with a queue, which no script can here.

        Now and then again, as a failover may take it back.
        """
        if self._announced.get(tenant, -1.0) > time.monotonic():
            return
        await enter_write(self._redis)
        with redis_errors():
            await self._redis.sadd(self._layout.queues(), name_bytes(tenant))
        make_room(self._announced, tenant, _MOST_ANNOUNCED)
        self._announced[tenant] = time.monotonic() + _ANNOUNCED_S


def check_dimensions(dimensions: Mapping[str, str] | None) -> None:
    """Accept what an event says besides its value.

    Raises:
        BadInput: Too many, or one that is no short text, or whose name is taken.
    """
    given = dimensions or {}
    if len(given) > MOST_DIMENSIONS:
        raise BadInput(
            f"an event has at most {MOST_DIMENSIONS} dimensions, this one {len(given)}"
        )
    for name, value in given.items():
        for text in (name, value):
            if type(text) is not str or not 1 <= len(text) <= LONGEST_TEXT:
                raise BadInput(
                    f"dimension {visible(str(name))!r} = {visible(str(value))!r}:"
                    f" names and values are texts of 1 to {LONGEST_TEXT} characters"
                )
            if not _is_text(text):
                raise BadInput(f"dimension {visible(name)!r} is not text in UTF-8")
        if name in _OWN_NAMES:
            raise BadInput(f"{name} is the meter's own field, and no dimension")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_time(at: datetime, now: datetime) -> None:
    """Accept the time of an event that Stripe is sent at once.

    Raises:
        BadInput: It is too far ahead, or too long ago.
    """
    if at > now + NEWEST_EVENT:
        raise BadInput(f"{_shown(at)} is more than 5 minutes ahead of the server")
    if at < now - OLDEST_EVENT:
        raise BadInput(
            f"{_shown(at)} is more than 35 days ago: Stripe does not take it"
        )


def _out_of_time(wanted: TrackedCall, period: Period, now: datetime) -> BadInput:
    at = wanted.timestamp or now
    try:
        check_time(at, now)
    except BadInput as error:
        return error
    if at < period.start:
        return BadInput(
            f"{_shown(at)} is in a period that is over;"
            f" the current one began at {_shown(period.start)}"
        )
    return BadInput(f"{_shown(at)} is in a period that has not begun")


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
