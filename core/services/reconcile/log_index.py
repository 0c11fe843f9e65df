"""What the delivery log knows of each counter and of each customer on each meter."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import EventSource, LoggedEvent
from meterdeck.core.model.periods import Period
from meterdeck.core.model.reconciliation import SentEvent
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.delivery_log import DeliveryLog

_BATCH = 250
"""Lines that are read at once: as they come, they take several times as much."""


class LogIndex:
    """The log as far as it was read; `refresh` reads what was added.

    It grows with the log, which is capped, and with what is added while it is used.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._key = context.redis.layout.events()
        self._log = DeliveryLog(redis, context)
        self._reading = asyncio.Lock()
        self._last = ""
        self._first_at: datetime | None = None
        self._whole = False
        self._of_counter: dict[tuple[str, str], dict[str, LoggedEvent]] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._of_meter: dict[tuple[str, str], dict[str, LoggedEvent]] = {}
        self._customers: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)

    async def refresh(self) -> None:
        """Read what was added since the last time.

        Raises:
            RedisUnreachable, RedisRefused: The next call goes on where this one ended.
        """
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        if not self._last:
            self._whole = await self._lost_nothing()
        while lines := await self._log.after(self._last, _BATCH):
            if self._first_at is None:
                self._first_at = lines[0].at
            for line in lines:
                self._take(line)
            self._last = lines[-1].id
            if len(lines) < _BATCH:
                return

    def covers(self, moment: datetime) -> bool:
        """Tell whether the log has everything that was sent at `moment` and later."""
        began = self._first_at
        return self._whole or (began is not None and began < moment)

    def sent(
        self, counter: CounterId, period: Period, *, by_events: bool = False
    ) -> tuple[SentEvent, ...]:
        """Return the accepted events of a counter, oldest first.

        Those of the queue have no number: they get their place.
        """
        source = EventSource.QUEUE if by_events else EventSource.WORKER
        lines = self._of_counter.get((counter.tenant, counter.resource), {})
        return tuple(
            SentEvent(
                line.event.identifier,
                place if by_events else line.sequence,
                units_of(line),
                line.event.timestamp,
                line.at,
            )
            for place, line in enumerate(
                (x for x in lines.values() if x.source is source and _is_of(x, period)),
                start=1,
            )
        )

    def newest_sequence(self, counter: CounterId) -> int:
        """Return the highest number of an event of this counter; 0: none is known."""
        where = (counter.tenant, counter.resource, counter.period)
        return self._numbers.get(where, 0)

    def customers(self, counter: CounterId) -> frozenset[tuple[str, str]]:
        """Return event name and customer of all that was sent of a resource."""
        found = self._customers.get((counter.tenant, counter.resource), set())
        return frozenset(found)

    def accepted(
        self,
        event_name: str,
        customer: str,
        start: datetime,
        end: datetime,
        *,
        but: Collection[str] = (),
    ) -> tuple[LoggedEvent, ...]:
        """Return accepted events of a meter and customer with timestamps in between.

        Args:
            but: Identifiers that are left out: accepted, and not counted after all.
        """
        lines = self._of_meter.get((event_name, customer), {})
        return tuple(
            line
            for identifier, line in lines.items()
            if start <= line.event.timestamp < end and identifier not in but
        )

    def later(self, event_name: str, moment: datetime) -> list[LoggedEvent]:
        """Return accepted events of a meter after a moment, oldest first."""
        found = [
            line
            for (name, _), lines in self._of_meter.items()
            if name == event_name
            for line in lines.values()
            if line.at > moment
        ]
        return sorted(found, key=lambda line: line.at)

    def _take(self, line: LoggedEvent) -> None:
        if line.sequence and line.period:
            where = (line.tenant, line.resource, line.period)
            self._numbers[where] = max(line.sequence, self._numbers.get(where, 0))
        if line.life is not EventState.ACCEPTED:
            return
        line = _bare(line)
        identifier, name = line.event.identifier, line.event.event_name
        resource = (line.tenant, line.resource)
        if line.source in (EventSource.WORKER, EventSource.QUEUE):
            self._of_counter.setdefault(resource, {}).setdefault(identifier, line)
            self._customers[resource].add((name, line.event.customer))
        of_meter = self._of_meter.setdefault((name, line.event.customer), {})
        of_meter.setdefault(identifier, line)

    async def _lost_nothing(self) -> bool:
        """Tell whether no line was ever cut off."""
        try:
            with redis_errors():
                info = await self._redis.xinfo_stream(self._key)
        except RedisRefused:  # there is none yet, or this user may not ask
            return False
        added, length = info.get("entries-added"), info.get("length")
        return isinstance(added, int) and added == length


def units_of(line: LoggedEvent, scale: int | None = None) -> int:
    """Return the units an event bills, where the line or its value tells."""
    if line.units is not None:
        return line.units
    exact = Decimal(line.event.value or 0).scaleb(
        line.scale if scale is None else scale
    )
    return int(exact)


def total_of(lines: Iterable[LoggedEvent], scale: int) -> Decimal:
    """Return what events add up to in a resource's units."""
    values = (Decimal(line.event.value).scaleb(scale) for line in lines)
    return sum(values, Decimal(0))


def _bare(line: LoggedEvent) -> LoggedEvent:
    """Return a line without what is told of its requests: nothing here is about them.

    Of a whole log it is a third, and for a pass a worker holds all of it.
    """
    return replace(
        line,
        id="",
        message="",
        request_id="",
        idempotency_key="",
        first_sent_at=None,
        sent_at=None,
        earlier=(),
    )


def _is_of(line: LoggedEvent, period: Period) -> bool:
    if line.period:
        return line.period == period.label
    return line.event.timestamp in period
