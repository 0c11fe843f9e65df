"""A worker's alerts: whom it looks at, the lag of all workers, drift, deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.model.alert_audience import concerns
from meterdeck.core.model.alert_readings import drift_readings
from meterdeck.core.model.alert_rules import Measure, Reading
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.alerting.delivering import AlertDelivering
from meterdeck.core.services.alerting.watch import AlertWatch
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.share import read_workers

LOOK_S = 2.0
LEARN_S = 15.0
LAG_S = 2.0
DELIVER_S = 1.0
_TIDY_EACH = 20
"""Every so many times who has alerts is learned, the indexes are mended."""

_DRIFTS = (Measure.DRIFT, Measure.DRIFT_PERCENT)
_MOST_DRIFTING = 10_000


class AlertDuty:
    """What a worker does for alerts, on a schedule of its own.

    `notice` is told whose counters moved, by the index of changes and by the sweep; so
    only what changed is looked at, and everything once in a sweep.
    """

    def __init__(self, own: Equipment) -> None:
        context = own.context
        self._own = own
        self._rules = context.alerts.rules
        self._turns = LateErrorCalls(own.redis, context.redis.layout)
        self._silent = timedelta(seconds=3 * own.beat_s)
        self.watch = AlertWatch(
            own.redis,
            context,
            now=own.now,
            tenant_of=own.billables.tenant,
            is_mine=own.share.is_mine,
        )
        self.delivering = AlertDelivering(
            self.watch.calls, context.alerts, now=own.now, is_mine=own.share.is_mine
        )
        self._drifting: dict[TenantId, list[Reading]] = {}
        self._learned = 0

    def schedule(self) -> list[tuple[float, str, Callable[[], Awaitable[None]]]]:
        """Return what is to be done how often (seconds), and what it is called."""
        return [
            (LEARN_S, "alerts_known", self.learn),
            (LOOK_S, "alerts", self.look),
            (LAG_S, "alert_of_lag", self.lag),
            (DELIVER_S, "alert_deliveries", self.delivering.deliver),
        ]

    def notice(self, tenants: Iterable[TenantId]) -> None:
        """Look soon at those of these tenants that are this worker's."""
        if self.watch.watches_usage:
            mine = self._own.share.is_mine
            self.watch.notice(each for each in tenants if mine(each))

    async def learn(self) -> None:
        """Learn who has alerts that are not over; now and then mend their indexes.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `AlertCalls`.
        """
        await self.watch.learn()
        if self._learned % _TIDY_EACH == 0:
            await self.watch.tidy()
        self._learned += 1

    async def look(self) -> None:
        """Hold the rules against everybody who was noticed; see `AlertWatch.look`.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As there.
        """
        before = self.watch.fired
        await self.watch.look()
        if self.watch.fired > before:
            journal.info("alerts_fired", alerts=self.watch.fired - before)

    async def lag(self) -> None:
        """Hold the rules of lag against the oldest unsent usage of all workers.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `AlertCalls`.
        """
        if not self.watch.watches_lag:
            return
        now = self._own.now()
        turn = int(now.timestamp() // LAG_S)
        if not await self._turns.take_turn("alert_of_lag", turn):
            return
        key = self._own.context.redis.layout.workers()
        lag_s = 0.0
        for seen in await read_workers(self._own.redis, key):
            if now - seen.at <= self._silent:
                said = seen.facts.get("oldest_unsent_s", 0)
                lag_s = max(lag_s, said if isinstance(said, int | float) else 0.0)
        await self.watch.lagging(lag_s)

    # -- drift ---------------------------------------------------------------------

    def compared(self, result: Compared) -> None:
        """Take in what a reconciliation found of a counter; quick."""
        tenant, counter = result.subject.tenant, result.subject.counter
        default = self._own.context.default_plan
        rules = [
            rule
            for rule in self._rules
            if rule.measure in _DRIFTS and concerns(rule, tenant, default)
        ]
        finding = result.finding
        if not rules or not (finding.drift or self.watch.has_alerts(tenant.id)):
            return
        if len(self._drifting) < _MOST_DRIFTING or tenant.id in self._drifting:
            period = finding.facts.period
            self._drifting.setdefault(tenant.id, []).extend(
                drift_readings(
                    rules,
                    tenant,
                    counter,
                    period_end=None if period.endless else period.end,
                    drift=finding.drift,
                    used=finding.facts.used,
                )
            )

    async def reconciled(self) -> None:
        """Hold the rules of drift against what was taken in.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: What was not held against
                them is with the next reconciliation.
        """
        found, self._drifting = self._drifting, {}
        for tenant, readings in found.items():
            await self.watch.compared(tenant, readings)

    async def close(self) -> None:
        """Close the connections to the webhook."""
        await self.delivering.close()
