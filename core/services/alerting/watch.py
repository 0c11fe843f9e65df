"""A worker's watch for alerts: who moved is held against the rules, what fires is kept.

Any number of workers may look at one tenant: each change names the version it was
decided on, and one of them makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import cast

from meterdeck.core.adapters.alert_calls import (
    AlertBook,
    AlertCalls,
    Entry,
    delivery_entry,
    entry_of,
)
from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import Refused
from meterdeck.core.model.alert_audience import concerns
from meterdeck.core.model.alert_readings import lag_readings, readings_of
from meterdeck.core.model.alert_rules import Measure, Reading
from meterdeck.core.model.alerts import Change, Telling, closing, judge
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_text
from meterdeck.core.model.usage import CounterId, Tenant, TenantId, Usage
from meterdeck.core.services.alerting.entries import new_delivery, outworn
from meterdeck.core.services.alerting.paces import Paces
from meterdeck.core.services.alerting.sieve import Sieve
from meterdeck.core.services.sync import journal
from meterdeck.core.services.usage_reading import UsageReader

NOBODY = TenantId("")
"""Whose alerts are no tenant's."""

_SIEVED, _CLOSELY = 1_000, 100
_MOST_LIVE = 10_000


class AlertWatch:
    """Holds the rules of one context against what was noticed.

    Args:
        tenant_of: A tenant as the directory has it; None for one it does not know.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        now: Callable[[], datetime],
        tenant_of: Callable[[TenantId], Tenant | None],
        is_mine: Callable[[TenantId], bool],
    ) -> None:
        rules = context.alerts.rules
        self._redis = redis
        self._context = context
        self._now = now
        self._tenant_of = tenant_of
        self._is_mine = is_mine
        self._rules = [rule for rule in rules if rule.measure.of_usage]
        self._lag_rules = [rule for rule in rules if rule.measure is Measure.LAG]
        self._paces = Paces()
        self._sieve = Sieve(redis, context, self._rules, self._paces)
        self._usage = UsageReader(redis, context)
        self._noticed: dict[TenantId, None] = {}
        self._live: set[TenantId] = set()
        self._alerting: set[TenantId] = set()
        self._overridden: set[TenantId] = set()
        self.calls = AlertCalls(
            redis, context.redis.layout, context.redis.retention_days
        )
        self._retention = timedelta(days=context.redis.retention_days)
        self.fired = 0
        """Alerts that this worker has fired."""

    @property
    def watches_usage(self) -> bool:
        """Whether any rule is about tenants' use."""
        return bool(self._rules)

    @property
    def watches_lag(self) -> bool:
        """Whether any rule is about the lag, or an alert of it is not over."""
        return bool(self._lag_rules) or NOBODY in self._live

    def has_alerts(self, tenant: TenantId) -> bool:
        """Tell whether a tenant, whoever looks after it, had an alert not over yet."""
        return tenant in self._alerting

    def notice(self, tenants: Iterable[TenantId]) -> None:
        """Look at tenants soon: their use or their limit may be another."""
        if self._rules:
            self._noticed.update(dict.fromkeys(tenants))

    async def learn(self) -> None:
        """Learn who has alerts that are not over, and who another limit; look at both.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        live, _ = await self.calls.alerting(_MOST_LIVE)
        self._alerting = set(live)
        self._live = {each for each in live if self._is_mine(each)}
        with redis_errors():
            names = await self._redis.smembers(self._context.redis.layout.overridden())
        everybody = (TenantId(name_text(name)) for name in cast("set[bytes]", names))
        self._overridden = {each for each in everybody if self._is_mine(each)}
        self._noticed.update(dict.fromkeys(self._live - {NOBODY}))

    async def tidy(self) -> None:
        """Take out of the indexes who has no alerts any more: they may have expired.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `AlertCalls`.
        """
        live = sorted(self._live)
        for book in await self.calls.books(live):
            if not any(each.live for each in book.alerts.values()):
                await self.calls.mend(book.tenant, self._now())
        await self.calls.forget_old(self._now())

    async def look(self) -> None:
        """Hold the rules against everybody who was noticed.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: Who was not looked at yet is
                looked at the next time.
        """
        while self._noticed:
            some = list(islice(self._noticed, _SIEVED))
            for each in some:  # before: who moves meanwhile is noticed again
                del self._noticed[each]
            try:
                await self._look_at(some)
            except BaseException:
                self._noticed.update(dict.fromkeys(some))
                raise

    async def _look_at(self, names: Sequence[TenantId]) -> None:
        tenants = [self._tenant_of(each) or Tenant(each, each) for each in names]
        always = self._live | self._overridden
        near = await self._sieve.some(tenants, always, self._now())
        for start in range(0, len(near), _CLOSELY):
            await self._look_closely(near[start : start + _CLOSELY])

    async def _look_closely(self, tenants: Sequence[Tenant]) -> None:
        books = await self.calls.books([each.id for each in tenants])
        usage = await self._usage.read_many(tenants)
        for tenant, book, used in zip(tenants, books, usage, strict=True):
            await self._change(book, self._readings(tenant, used), ended=True)

    def _readings(self, tenant: Tenant, usage: Sequence[Usage]) -> list[Reading]:
        now, default = self._now(), self._context.default_plan
        rules = [rule for rule in self._rules if concerns(rule, tenant, default)]
        pace = partial(self._pace, now)
        return list(readings_of(rules, tenant, usage, pace, now))

    def _pace(self, now: datetime, usage: Usage) -> float | None:
        counter = CounterId(usage.tenant, usage.resource, usage.period.label)
        assert isinstance(usage.used, int)  # a broken one has no pace to be asked for
        return self._paces.rate(counter, usage.used, now)

    # -- what is no tenant's use ----------------------------------------------------

    async def lagging(self, lag_s: float) -> None:
        """Hold the rules of lag against how long the oldest unsent usage waits.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `AlertCalls`.
        """
        (book,) = await self.calls.books([NOBODY])
        readings = list(lag_readings(self._lag_rules, lag_s))
        await self._change(book, readings, ended=True)

    async def compared(self, tenant: TenantId, readings: Sequence[Reading]) -> None:
        """Hold rules of drift against what a reconciliation found of a tenant.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `AlertCalls`.
        """
        (book,) = await self.calls.books([tenant])
        await self._change(book, readings, ended=False)

    # -- changing ------------------------------------------------------------------

    async def _change(
        self, book: AlertBook, readings: Sequence[Reading], *, ended: bool
    ) -> None:
        now = self._now()
        changes = judge(book.alerts, readings, now)
        if ended:
            rules = self._context.alerts.rules
            changes += closing(book.alerts.values(), readings, rules, now)
        if not changes:
            return
        entries = [entry for each in changes for entry in self._entries(each, now)]
        entries += outworn(book, now, self._retention)
        if await self._write(book.tenant, entries, now):
            self.fired += sum(each.telling is Telling.FIRED for each in changes)
            live = any(each.after.live for each in changes)
            if live:
                self._live.add(book.tenant)
                self._alerting.add(book.tenant)

    async def _write(
        self, tenant: TenantId, entries: Sequence[Entry], now: datetime
    ) -> bool:
        try:
            return await self.calls.write(tenant, entries, now)
        except Refused as error:  # something else's key; the others go on
            journal.warning("alert_not_kept", tenant=tenant, reason=str(error))
            return False

    def _entries(self, change: Change, now: datetime) -> list[Entry]:
        found = [entry_of(change.before, change.after)]
        if self._context.alerts.webhook is None:
            return found
        for alert, telling in (
            (change.ended, Telling.RESOLVED),
            (change.after, change.telling),
        ):
            if alert is not None and telling is not None:
                told = new_delivery(self._context, alert, telling, now)
                found.append(delivery_entry(None, told))
        return found
