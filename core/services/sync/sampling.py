"""Samples of all counters, once an hour, taken from the sweep as it goes by.

A sample is kept where a counter has moved since the last one. Of a counter without
samples only this worker knows: whatever nobody has used since it was first seen costs
Redis nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.sample_calls import Keeping, Kept, SampleCalls
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.known_readings import hour_of
from meterdeck.core.model.periods import Period, current_period
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.samples import Sample, Samples
from meterdeck.core.model.usage import CounterId, Tenant, TenantId
from meterdeck.core.services.sync import journal

LATEST = timedelta(minutes=10)
"""How late in an hour a round may begin whose samples are taken for that hour's."""

_MOST_REMEMBERED = 200_000


class Sampling:
    """Takes samples in the first round of the sweep that begins in an hour.

    Deliveries do not depend on it: where it cannot read or write, it says so in the
    journal once, and tries again an hour later.

    Args:
        tenants: Says what the directory has of a tenant.
        now: The Redis server's time.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        tenants: Callable[[TenantId], Tenant | None],
        now: Callable[[], datetime],
    ) -> None:
        self._context = context
        self._tenants = tenants
        self._now = now
        self._calls = SampleCalls(redis, context)
        self._retention = timedelta(days=context.redis.retention_days)
        self._resources = {each.name: each for each in context.resources}
        self._hour: int | None = None
        self._done = -1
        self._seen = _Unsampled(-1)
        self._before = _Unsampled(-1)
        self._problem = ""

    def round_begins(self) -> None:
        """A round of the sweep begins: note whether it is to be sampled."""
        now = self._now()
        hour = hour_of(now)
        late = now - now.replace(minute=0, second=0, microsecond=0)
        self._hour = hour if hour != self._done and late <= LATEST else None
        self._seen = _Unsampled(hour)

    async def see(self, counters: Sequence[CounterId]) -> int:
        """Take samples of some counters of a round; return how many were kept."""
        if self._hour is None or not counters:
            return 0
        try:
            return await self._sample(self._hour, counters)
        except MeterdeckError as error:
            self._give_up(error)
            return 0

    async def round_ends(self) -> None:
        """A round of the sweep was ended: all counters were seen in it."""
        hour = self._hour
        if hour is None:
            return
        try:
            await self._calls.note_hour(hour)
        except MeterdeckError as error:
            self._give_up(error)
            return
        self._hour, self._done, self._problem = None, hour, ""
        self._before = self._seen

    def forget(self) -> None:
        """Other tenants are this worker's from now on: it has not seen them before."""
        self._hour, self._before = None, _Unsampled(-1)

    def _give_up(self, error: MeterdeckError) -> None:
        self._done, self._hour = self._hour or self._done, None
        self.forget()
        if self._problem != str(error):
            self._problem = str(error)
            journal.warning("no_samples", reason=error)

    async def _sample(self, hour: int, counters: Sequence[CounterId]) -> int:
        now = self._now()
        periods = {each: self._period(each, now) for each in dict.fromkeys(counters)}
        running = [each for each, period in periods.items() if period is not None]
        values = await self._calls.strings(running)
        kept = await self._calls.read(running)
        wanted = []
        for before, reply in zip(kept, values, strict=True):
            value = parse_counter(reply) if reply is not None else None
            if value is None or before.samples is None:
                continue  # somebody's own, in either key
            samples = self._more(before, before.samples, Sample(hour, value))
            period = periods[before.counter]
            if samples is not None and period is not None:
                end = now if period.endless else period.end
                wanted.append(Keeping(before, samples, end + self._retention))
        return await self._calls.keep(wanted)

    def _period(self, counter: CounterId, now: datetime) -> Period | None:
        """Return a counter's period if it is the one that runs."""
        resource = self._resources.get(counter.resource)
        if resource is None:
            return None
        tenant = self._tenants(counter.tenant)
        cycle = tenant.cycle if tenant else None
        period = current_period(resource.period, cycle, now)
        return period if period.label == counter.period else None

    def _more(self, before: Kept, samples: Samples, sample: Sample) -> Samples | None:
        limit = self._limit(before.counter)
        if samples.taken:
            return samples.with_sample(sample, limit)
        earlier = self._before.held(before.counter, sample.hour - 1)
        if earlier is None or earlier == sample.value:
            self._seen.note(before.counter, sample.value)
            return None
        first = samples.with_sample(Sample(sample.hour - 1, earlier), limit)
        return (first or samples).with_sample(sample, limit)

    def _limit(self, counter: CounterId) -> int | None:
        tenant = self._tenants(counter.tenant)
        if tenant is None:
            return None
        return self._context.limit_of(tenant, counter.resource).units


class _Unsampled:
    """What counters without samples held in an hour; bounded."""

    def __init__(self, hour: int) -> None:
        self._hour = hour
        self._values: dict[int, int] = {}  # by a hash: a third of the memory
        self._all = True

    def note(self, counter: CounterId, value: int) -> None:
        """Remember what a counter held."""
        if len(self._values) < _MOST_REMEMBERED:
            self._values[hash(counter)] = value
        else:
            self._all = False

    def held(self, counter: CounterId, hour: int) -> int | None:
        """Return what it held in an hour, 0 if it was not there; None: unknown."""
        if hour != self._hour:
            return None
        return self._values.get(hash(counter), 0 if self._all else None)
