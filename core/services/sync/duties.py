"""What a worker does besides delivering: late reports, reconciling, the close guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.model.destinations import Notification
from meterdeck.core.model.drift import LastPass
from meterdeck.core.services.close_guard import CloseGuard
from meterdeck.core.services.error_reports import ErrorReports, Handled
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.once import Pass, reconcile_once
from meterdeck.core.services.reconcile.reconciler import Scope
from meterdeck.core.services.reconcile.subjects import Compared, Subject
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.alert_duty import AlertDuty
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.request_duty import RequestDuty

REPORTS_S = 5.0
CLOSING_S = 300.0
MEASURE_S = 10.0
RECONCILE_LOOK_S = 15.0

_DAY_M = 1_440


@dataclass(slots=True)
class Found:
    """What the duties have found so far.

    Attributes:
        refused_late: Events that Stripe accepted and did not count.
        unpinned: Such events of which nobody knows which they are.
        closing: Counters with unsent units of periods that end soon, at the last look.
        drift: The last reconciliation; None before.
        queue_length: Events of `track()` that are not settled.
        queue_oldest_s: Age of the oldest that could be sent, at the last look.
        letters: Events that need somebody.
    """

    refused_late: int = 0
    unpinned: int = 0
    closing: int = 0
    drift: Pass | None = None
    queue_length: int = 0
    queue_oldest_s: float = 0.0
    letters: int = 0


class Duties:
    """Done on a schedule beside the deliveries, by one worker where one is enough."""

    def __init__(self, own: Equipment) -> None:
        async def now() -> datetime:
            return own.now()

        context, redis, gateway = own.context, own.redis, own.gateway
        self._redis = redis
        self._context = context
        self._turns = LateErrorCalls(redis, context.redis.layout)
        self._billables = own.billables
        self._share = own.share
        self._clock = own.now
        self._reports = ErrorReports(redis, context, gateway, now=now)
        self._reconciliation = own.reconciliation
        self._witness = own.witness
        self._kept = KeptPass(redis, context.redis.layout)
        self._name = own.name
        self._queue = own.queue
        self._letters = Letters(redis, context)
        self._observer = own.observer
        self._close_guard = CloseGuard(context, own.records)
        self.alerts = AlertDuty(own)
        self.requests = RequestDuty(own)
        self.found = Found()

    def schedule(self) -> list[tuple[float, str, Callable[[], Awaitable[None]]]]:
        """Return what is to be done how often (seconds), and what it is called."""
        duties: list[tuple[float, str, Callable[[], Awaitable[None]]]] = [
            (REPORTS_S, "late_reports", self.read_reports),
            (CLOSING_S, "close_guard", self.guard_closing),
            (MEASURE_S, "measuring", self.measure),
            *self.alerts.schedule(),
            *self.requests.schedule(),
        ]
        if self._context.delivery.reconcile_m:
            duties.append((RECONCILE_LOOK_S, "reconciling", self.reconcile_if_due))
        return duties

    async def listen(self, stack: AsyncExitStack) -> None:
        """Take Stripe's notifications where a port is set, until the stack ends.

        Raises:
            ConfigError: The port is taken.
        """
        options = self._context.delivery
        if not options.webhook_port or options.webhook_secret is None:
            return
        # A web server, which most workers need not import.
        from meterdeck.core.adapters.http_server import HttpServer  # noqa: PLC0415
        from meterdeck.core.adapters.webhook_app import webhook_app  # noqa: PLC0415

        async def notified(notification: Notification) -> None:
            self._handled(await self._reports.notified(notification))

        app = webhook_app(options.webhook_secret, notified)
        server = HttpServer(
            app,
            host=options.webhook_host,
            port=options.webhook_port,
            named="delivery.webhook_port:",
        )
        await stack.enter_async_context(server)
        journal.info("webhook_listens", port=server.port)

    async def read_reports(self) -> None:
        """Read what Stripe reports as not counted; by one worker.

        Raises:
            Unreachable, StripeRefused: The next call goes on where this one ended.
        """
        if await self._is_my_turn("late_errors", REPORTS_S):
            self._handled(await self._reports.poll())

    def _handled(self, handled: Handled) -> None:
        self.found.refused_late += handled.refused
        self.found.unpinned += handled.unpinned
        if handled.reports:
            journal.warning(
                "late_reports",
                reports=handled.reports,
                refused=handled.refused,
                unpinned=handled.unpinned,
            )

    async def reconcile_if_due(self) -> None:
        """Reconcile where nobody has for `delivery.reconcile_m`; by one worker.

        Once a day also what has not changed: somebody else may write to Stripe.

        Raises:
            Unreachable: Redis does not answer, or Stripe has no meters.
        """
        minutes = self._context.delivery.reconcile_m
        if await self._is_my_turn("reconcile", 60.0 * minutes):
            turns_a_day = max(1, _DAY_M // minutes)
            turn = self._turn(60.0 * minutes)
            await self.reconcile(everything=turn % turns_a_day == 0)

    async def reconcile(self, *, everything: bool = False) -> Pass:
        """Compare counters with Stripe's summaries; see `reconcile_once`.

        Once in each life of the Redis server everything is; of what a backup that was
        put back may have forgotten the counters are held.

        Raises:
            Unreachable: Redis does not answer, or Stripe has no meters.
        """
        life = await self._witness.look()
        everything = everything or not life.is_compared
        # A pass serves the tenants of all workers, and what agrees may not be compared
        # again for a day: whose alerts may end is learned before.
        await self.alerts.watch.learn()
        tenants = self._billables.all_tenants()
        scope = Scope(tenants, self._context.resources, everything)
        began = self._clock()
        forgotten: list[tuple[Subject, str]] = []

        def compared(result: Compared) -> None:
            self.alerts.compared(result)
            if reason := self._witness.reason(result.subject, result.finding):
                forgotten.append((result.subject, reason))

        found = await reconcile_once(self._reconciliation, scope, compared=compared)
        for subject, reason in forgotten:
            await self._witness.hold(subject, reason)
        if everything and not found.passing:
            await self._witness.compared(life, since=began)
        await self.alerts.reconciled()
        self.found.drift = found
        ended = self._clock()
        took_s = max(0.0, (ended - began).total_seconds())
        last = found.kept(ended, by=self._name, took_s=took_s, everything=everything)
        await self._kept.keep(last)
        self._tell_drift(last)
        journal.info(
            "reconciled",
            compared=found.compared,
            unchanged=found.unchanged,
            not_compared=found.unasked,
            settled=found.settled,
            differing=sum(found.counters.values()),
        )
        return found

    def _tell_drift(self, last: LastPass) -> None:
        age_s = 0.0
        if last.since is not None:
            age_s = max(0.0, (self._clock() - last.since).total_seconds())
        self._observer.drifted(last.drift, age_s)

    async def _is_my_turn(self, what: str, every_s: float) -> bool:
        """Take the turn of this stretch of time; False where another worker has it."""
        return await self._turns.take_turn(what, self._turn(every_s))

    def _turn(self, every_s: float) -> int:
        return int(self._clock().timestamp() // every_s)

    async def measure(self) -> None:
        """Look how much waits that is no counter's, and what the last pass found.

        A pass is made by one worker; each tells of it, or one would tell of an old one.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        self.found.queue_length = await self._queue.length()
        oldest, now = await self._queue.oldest(), self._clock()
        self.found.queue_oldest_s = (now - (oldest or now)).total_seconds()
        self.found.letters = await self._letters.count()
        if (last := await self._kept.read()) is not None:
            self._tell_drift(last)

    async def guard_closing(self) -> None:
        """Count what is unsent of periods that end soon, of this worker's tenants.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        now = self._clock()
        mine = [
            each
            for each in self._billables.all_tenants()
            if self._share.is_mine(each.id)
        ]
        found = [each async for each in self._close_guard.look(mine, now)]
        self.found.closing = len(found)
        for each in found:
            if each.ends <= now and each.record.waiting + each.in_flight:
                journal.warning(
                    "closed_and_unsent",
                    tenant=each.tenant.id,
                    resource=each.resource.name,
                    period=each.counter.period,
                    unsent=each.record.waiting + each.in_flight,
                    finalises=each.finalises,
                )
