"""What the fleet used before the sandbox began: billed already, by both sides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, cast

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, redis_errors, to_milliseconds
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import OLDEST_EVENT, BillingRecord
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import format_quantity
from meterdeck.core.model.usage import CounterId
from meterdeck.core.sandbox.roster import Roster
from meterdeck.core.services.sync.billable import period_of

_BATCH: Final = 1_000


class BilledAlready:
    """Takes the counters as they are for billed.

    A data folder brings billing records along, and Stripe always starts anew: it is
    given what they say it has.
    """

    def __init__(
        self, redis: Redis, context: Context, stripe: LocalStripe, roster: Roster
    ) -> None:
        self._redis = redis
        self._context = context
        self._stripe = stripe
        self._roster = roster
        self._records = BillingRecords(redis, context, "sandbox")
        self._resources = {each.name: each for each in context.resources}
        self._kept = timedelta(days=context.redis.retention_days) + OLDEST_EVENT

    async def run(self, now: datetime) -> None:
        """Do it for every counter of a tenant that is a customer.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        layout = self._context.redis.layout
        found: list[CounterId] = []
        with redis_errors():
            async for key in self._redis.scan_iter(layout.counter_glob(), _BATCH):
                counter = layout.parse_counter(cast("bytes", key))
                if counter is not None and counter.resource in self._resources:
                    found.append(counter)
        for start in range(0, len(found), _BATCH):
            await self._bill(found[start : start + _BATCH], now)

    async def _bill(self, counters: Sequence[CounterId], now: datetime) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for record in await self._records.read(counters):
                period = self._period(record.counter, now)
                customer = self._roster.customer_of(record.counter.tenant)
                if record.used is None or period is None or not customer:
                    continue
                units = record.reported + record.waiting
                self._tell_stripe(record, customer, units, period, now)
                key = self._key(record.counter)
                pipe.hset(
                    key,
                    mapping={
                        "reported": units,
                        "start": to_milliseconds(period.start),
                        "end": to_milliseconds(period.end),
                    },
                )
                pipe.expireat(key, period.end + self._kept)
            with redis_errors(write="what was billed already"):
                await pipe.execute()

    def _period(self, counter: CounterId, now: datetime) -> Period | None:
        resource = self._resources[counter.resource]
        return period_of(counter, resource, self._roster.cycle_of(counter.tenant), now)

    def _tell_stripe(
        self,
        record: BillingRecord,
        customer: str,
        units: int,
        period: Period,
        now: datetime,
    ) -> None:
        resource = self._resources[record.counter.resource]
        # Any moment inside the period does; half of what is over of it is far from both
        # of its ends, which Stripe's summaries know by the minute.
        middle = period.start + (min(period.end, now) - period.start) / 2
        value = Decimal(format_quantity(units, resource.scale))
        self._stripe.add_usage(resource.meter, customer, value, middle)

    def _key(self, counter: CounterId) -> str:
        names = counter.tenant, counter.resource, counter.period
        key = self._context.redis.layout.billing(*names)
        return key.decode("utf-8", "surrogateescape")
