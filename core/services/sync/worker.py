"""The worker: everything `meterdeck sync` does, in one event loop.

Any number of workers run beside one another: they share the tenants, and the claim lets
one of them have an event. One that dies leaves nothing that another does not find.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from meterdeck.core.adapters.redis_client import to_milliseconds
from meterdeck.core.errors import (
    MeterdeckError,
    StripeRefused,
    Unreachable,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.reconciliation import SUMMARY_LAG
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.counter_flow import CounterFlow
from meterdeck.core.services.sync.duties import Duties
from meterdeck.core.services.sync.endings import end_tasks
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.observer import Observer
from meterdeck.core.services.sync.queue_flow import QueueFlow
from meterdeck.core.services.sync.repeating import (
    IDLE_S,
    TRY_AGAIN_S,
    Complaints,
    Repeating,
    survived,
)
from meterdeck.core.services.sync.search import MOST_AT_ONCE, Search
from meterdeck.core.services.sync.start_checks import check_redis, load_all
from meterdeck.core.services.sync.worker_facts import WorkerFacts

_LOOK_S = 0.5
_METERS_S = 300.0
_METERS_PAUSE_S = 10.0
_LEARN_S = 5.0
_DRAIN_S = 10.0


class Worker:
    """One worker of a context; an async context manager, `run` inside.

    Args:
        observer: Is told what happens.
        hasty: Do not wait for flush intervals.
        summary_lag: As of `Witness`.

    Raises:
        ConfigError: The context has no Stripe.
        ReadOnly: The context allows no changes.
    """

    def __init__(
        self,
        context: Context,
        *,
        name: str = "",
        observer: Observer | None = None,
        hasty: bool = False,
        summary_lag: timedelta = SUMMARY_LAG,
    ) -> None:
        own = self._own = Equipment(context, name, observer, summary_lag=summary_lag)
        self.context = context
        self.name = own.name
        self.share = own.share
        self.sender = own.sender
        self.counters = CounterFlow(own, hasty=hasty)
        self.queued = QueueFlow(own)
        self.duties = Duties(own)
        self._search = Search(own, self.counters, self.duties.alerts.notice)
        self._facts = WorkerFacts(own, self.counters, self.queued, self.duties)
        self._directory = Directory(own.redis, context, own.gateway)
        self._complaints = Complaints()
        self._since: int | None = None
        self._mine = 0
        self._queued = 0
        self.ready = asyncio.Event()
        """Set once tenants and meters are known."""
        self._repeating = Repeating(self._complaints, self.ready)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.duties.alerts.close()
        await self._own.close()

    # -- beginning -----------------------------------------------------------------

    async def prepare(self) -> None:
        """Check the server and learn who is to be billed, by what.

        Raises:
            ConfigError: Redis is not fit to deliver from.
            Unreachable, Refused: A server cannot be asked.
        """
        await self._search.begin()
        await check_redis(self._own.redis, self.context)
        await self._own.door.enter()
        await load_all(self._own.redis)
        self._since = self._since or to_milliseconds(self._own.now())
        self._own.billables.put(await self._directory.cached())
        await self._refresh_directory()
        await self.read_meters()
        await self._own.learn()
        self.ready.set()

    async def _refresh_directory(self) -> None:
        change = await self._directory.refresh()
        billables = self._own.billables
        billables.put(change.tenants, change.removed)
        self._count_mine()
        self.duties.alerts.notice(each.id for each in change.tenants)
        if not self.ready.is_set() or len(change.tenants) > MOST_AT_ONCE:
            return  # the sweep looks at everybody
        for tenant in change.tenants:  # one may have become a customer
            if self.share.is_mine(tenant.id):
                counters = billables.counters_of(tenant.id, self._own.now())
                self.counters.notice(counters)

    async def read_meters(self) -> None:
        """Ask Stripe for its meters.

        Raises:
            StripeUnreachable: It does not answer.
            StripeRefused: It does not accept the key at all.
        """
        try:
            meters = await self._own.gateway.meters()
        except StripeRefused as error:
            if error.status != 403:
                raise
            # A key that may only send: the meters are taken for what they should be.
            self._complaints.complain("meters_not_readable", error)
            return
        self._own.billables.meters = {each.event_name: each for each in meters}

    async def _read_meters_again(self) -> None:
        """Ask for the meters once in a while, and soon after Stripe refused an event.

        What has no meter any more is then left in its counter, not made into letters.
        """
        doubted = self._own.meters_doubted
        with suppress(TimeoutError):
            await asyncio.wait_for(doubted.wait(), _METERS_S)
        doubted.clear()
        await self.read_meters()

    # -- running -------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled; then what is on its way is waited for.

        A server that is away is waited for; nothing is lost meanwhile.

        Raises:
            ConfigError: Redis is not fit to deliver from.
        """
        journal.info("worker_starts", worker=self.name, context=self.context.name)
        async with AsyncExitStack() as stack:
            await self.duties.listen(stack)
            await stack.enter_async_context(self._settling())
            loops = [asyncio.create_task(each()) for each in self._loops()]
            try:
                done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_EXCEPTION)
                for each in done:
                    each.result()
            finally:
                await end_tasks(loops)

    async def run_once(self, progress: Callable[[str], None]) -> None:
        """Deliver everything that is unsent now; see `counters.tally` and `queued`.

        What another worker has in flight is waited for until its lease is over.

        Args:
            progress: Is told in words what is being done, about once a second.

        Raises:
            ConfigError: Redis is not fit to deliver from.
            Unreachable, Refused: A server cannot be asked.
        """
        await self.prepare()
        await self.deliver_all(progress)

    async def deliver_all(self, progress: Callable[[str], None]) -> None:
        """Do what `run_once` does, of a worker that is prepared.

        Raises:
            Unreachable: Redis does not answer.
        """
        began = self._own.now()
        async with self._settling():
            await self._until_nothing_is_unsent(progress, began)
        self._queued = await self.queued.unsettled(began)

    async def _until_nothing_is_unsent(
        self, progress: Callable[[str], None], began: datetime
    ) -> None:
        loop = asyncio.get_running_loop()
        patience_s = self.context.delivery.takeover_s + 2 * _DRAIN_S
        done, told = self._progress(), loop.time()
        patient_until = told + patience_s
        while True:
            busy = await self._search.step_of_the_first_round()
            busy |= await self.counters.claim_due()
            busy |= await self.queued.take_some()
            if self._progress() != done:
                done, patient_until = self._progress(), loop.time() + patience_s
            if loop.time() - told >= 1.0:
                told = loop.time()
                progress(f"{done[0]:,} events delivered, {self.unfinished:,} to go")
            if busy:
                continue
            self._queued = await self.queued.unsettled(began)
            if not self.unfinished or loop.time() > patient_until:
                return
            await asyncio.sleep(IDLE_S)

    @property
    def unfinished(self) -> int:
        """Counters that are due, and events that are not settled.

        Of `track()` also those that wait in the queue, as of the last look.
        """
        flying = self.counters.on_the_way + max(self.queued.on_the_way, self._queued)
        return len(self.counters.due) + flying

    def _progress(self) -> tuple[int, int]:
        tallies = (self.counters.tally, self.queued.tally)
        delivered = sum(each.delivered for each in tallies)
        stays = self.counters.tally.left.total()
        return delivered, stays + sum(each.dead + each.ambiguous for each in tallies)

    @asynccontextmanager
    async def _settling(self) -> AsyncIterator[None]:
        """Settle what comes back during the block, and at its end wait for the rest."""
        settling = [
            asyncio.create_task(self.counters.run()),
            asyncio.create_task(self.queued.run()),
        ]
        try:
            yield
        finally:
            await self._end()
            await end_tasks(settling)

    def _loops(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        repeating, stripe = self._repeating, self.context.stripe
        assert stripe is not None
        every, while_any = repeating.every, repeating.while_any
        options = self.context.delivery

        async def prepared() -> None:
            await self._until_ready()
            await self._own.door.watch()

        return (
            prepared,
            lambda: while_any("claiming", self.counters.claim_due),
            lambda: while_any("queue", self.queued.take_some),
            lambda: repeating.paced("sweep", self._search.step),
            lambda: every(_LOOK_S, "changes", self._search.follow),
            lambda: every(options.takeover_s / 4, "unsettled", self._search.take_over),
            lambda: every(self._own.beat_s, "sign_of_life", self._beat),
            lambda: every(stripe.poll_s, "directory", self._refresh_directory),
            lambda: every(_METERS_PAUSE_S, "meters", self._read_meters_again),
            lambda: every(_LEARN_S, "delivery_log", self._own.learn),
            *(
                partial(every, seconds, name, survived(name, duty))
                for seconds, name, duty in self.duties.schedule()
            ),
        )

    async def _until_ready(self) -> None:
        while not self.ready.is_set():
            try:
                await self.prepare()
            except Unreachable as error:
                self._complaints.complain("not_ready", error)
                await asyncio.sleep(TRY_AGAIN_S)
            except StripeRefused as error:
                self._complaints.complain("not_ready", error)
                await asyncio.sleep(TRY_AGAIN_S * 10)
        journal.info(
            "worker_ready",
            tenants=self._own.billables.tenants,
            rate=round(self.sender.pace.rate),
        )

    # -- what is repeated ----------------------------------------------------------

    async def _beat(self) -> None:
        now, cursor = self._own.now(), self._search.cursor
        if await self.share.beat(now, self.facts(), cursor=cursor):
            journal.info("workers_share", workers=self.share.workers)
            self._search.anew()
            self._count_mine()

    def _count_mine(self) -> None:
        tenants = self._own.billables.all_tenants()
        self._mine = sum(self.share.is_mine(each.id) for each in tenants)

    def facts(self) -> dict[str, object]:
        """Return what this worker says of itself to the others and to the console."""
        return {
            **self._facts.form(self._since, self._mine),
            "problem": self._complaints.first,
        }

    # -- ending --------------------------------------------------------------------

    async def _end(self) -> None:
        """Wait for what is on its way, for a while; then leave.

        Where this program may not write any more nothing can be settled: another worker
        finds it, sends it under the same identifiers, and Stripe counts it once.
        """
        patience_s = 0.0 if self._own.door.sentence else _DRAIN_S
        drained = asyncio.gather(self.counters.drain(), self.queued.drain())
        try:
            await asyncio.wait_for(drained, patience_s)
        except TimeoutError:
            journal.warning("not_drained", on_the_way=self.counters.on_the_way)
            self.counters.abandon()
            self.queued.abandon()
        with suppress(MeterdeckError, TimeoutError):
            await asyncio.wait_for(self.share.leave(), 1.0)
        journal.info("worker_ends", delivered=self._progress()[0])
