"""A day on one server: every script is run, each by the role whose work it is."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from tests.support.billing import Till, signed
from tests.support.contexts import CALLS, DISK, IMAGES, RENDERS, USERS, with_rule
from tests.support.cycles import Anchors
from tests.support.desk import ADA, Desk
from tests.support.queued import results
from tests.support.raw import ask
from tests.support.role_users import RoleUser

from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.adapters.billing_indexes import BillingIndexes
from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.adapters.queue_calls import GROUP
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.replay_script import ReplayCall, ReplayScript, Used
from meterdeck.core.adapters.sample_calls import Keeping, SampleCalls
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import Asked, Refused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.delivery import Confirmation, Verdict
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.request_rules import Changes, Rank, RequestOptions
from meterdeck.core.model.samples import Sample, Samples
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.alerting.alerts import Alerts
from meterdeck.core.services.alerting.watch import AlertWatch
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.desk import RequestDesk
from meterdeck.core.services.requests.requested_changes import RequestedChanges
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.usage import UsageService

ACME = TenantId("acme")
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Day:
    """Who is there; `admin` prepares what no role does."""

    admin: Redis
    users: dict[Role, RoleUser]

    async def run(self) -> None:
        """Have everything done once."""
        worker, lead = self.users[Role.WORKER], self.users[Role.LEAD]
        await self.count(self.users[Role.APPLICATION])
        await self.fire_alert(worker)
        for number, role in enumerate((Role.SUPPORT, Role.LEAD)):
            await self.change(self.users[role], number)
        await self.snooze(self.users[Role.REQUESTER])
        await self.ask(self.users[Role.REQUESTER], self.users[Role.CLERK])
        await self.bill(worker, lead)
        await self.empty_queue(worker, lead)
        await self.keep_house(worker)

    async def count(self, by: RoleUser) -> None:
        """Count in every way, and give back in every way."""
        usage, now = UsageService(by.redis, by.context), await server_time(by.redis)
        assert (await usage.consume("acme", {CALLS: 950}, call_id="c-1")).allowed
        assert not (await usage.consume("acme", {IMAGES: 11})).allowed
        grace = LimitRule(grace_percent=5000, grace_hours=1)
        for rule in (LimitRule(Enforcement.SHADOW), grace):
            ruled = with_rule(by.context, IMAGES, rule, 1)
            done = await UsageService(by.redis, ruled).consume("acme", {IMAGES: 4})
            assert done.allowed
        for call in ("r-1", "r-2"):
            await usage.reserve("acme", {CALLS: 1}, ttl=HOUR, call_id=call)
        await usage.confirm("acme", "r-1")
        layout, month = by.context.redis.layout, calendar_month(now).label
        counter = layout.counter("acme", CALLS, month)
        await ask(self.admin, "ZADD", layout.reserving(), 1, counter)
        reserved = layout.reserved("acme", CALLS, month)
        await ask(self.admin, "ZADD", reserved, 1, "gone:1")
        assert await usage.give_back_expired() == 1
        await usage.set_gauge("acme", DISK, 5)
        limits = {str(USERS): 1}
        for name in ("ann", "bob"):
            await usage.count_unique("acme", USERS, [name], limits=limits)
        await usage.track("acme", RENDERS)
        await ReplayScript(by.redis).run(_spooled(by, now))
        assert await usage.usage("acme")
        await usage.consume("left", {CALLS: 5}, call_id="c-2")
        await usage.release("left", "c-2")

    async def fire_alert(self, by: RoleUser) -> None:
        """Have an alert fire."""
        now = await server_time(by.redis)
        watch = AlertWatch(
            by.redis,
            by.context,
            now=lambda: now,
            tenant_of=lambda _: None,
            is_mine=lambda _: True,
        )
        watch.notice([ACME])
        await watch.look()
        assert watch.fired

    async def change(self, by: RoleUser, number: int) -> None:
        """Change a counter and an override, undo both, and see to the alert."""
        changes = OperatorChanges(by.redis, by.context)
        usage = UsageService(by.redis, by.context)
        desk = Desk(changes, usage, operations=100 * number)
        await desk.undo(await desk.adjust(AdjustKind.ADD, 9))
        await desk.undo(await desk.limit(5))
        await desk.limit(5, await server_time(by.redis) + HOUR)
        await desk.unlimit()
        await self.snooze(by)

    async def snooze(self, by: RoleUser) -> None:
        """Have the alert be quiet for an hour."""
        alerts = Alerts(by.redis, by.context)
        seen, *_ = (await alerts.look()).alerts
        until = await server_time(by.redis) + HOUR
        await alerts.snooze(seen.alert.id, until, actor=Actor("ana", "ssh"))

    async def ask(self, by: RoleUser, clerk: RoleUser) -> None:
        """Ask for changes; the clerk makes them."""
        rules = RequestOptions(people=((by.name, Rank.LEAD),), wait_s=0.0)
        changes = RequestedChanges(by.redis, replace(by.context, requests=rules))
        add = Adjustment(ACME, CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "why")
        with pytest.raises(Asked):
            await changes.adjust(add, actor=ADA, operation_id="ask-1")
        ends = await server_time(by.redis) + HOUR
        with pytest.raises(Asked):
            await changes.set_override(
                *("acme", CALLS, 1001), expires_at=ends, actor=ADA, reason="why",
                operation_id="ask-2",
            )  # fmt: skip
        with pytest.raises(Asked):
            await changes.clear_override(
                "acme", CALLS, actor=ADA, reason="why", operation_id="ask-3"
            )
        server = RequestServer(clerk.redis, replace(clerk.context, requests=rules))
        await server.serve()
        await server.tidy()
        desk = RequestDesk(by.redis, replace(by.context, changes=Changes.REQUEST))
        seen = await desk.look()
        assert [each.state.value for each in seen.answered] == ["done"] * 3

    async def bill(self, worker: RoleUser, lead: RoleUser) -> None:
        """Bill a counter, and decide about what went wrong with it."""
        till = await Till.open(worker.redis, worker.context, "billed")
        by_lead = Letters(lead.redis, lead.context)
        who, period = till.wanted.counter, till.wanted.period
        await self.use(worker, who, 5)
        await till.settle(await till.claim(), Verdict.DEAD)
        (letter,) = await by_lead.of("billed")
        await by_lead.replay(letter, signed("op-1"))
        await till.settle(await till.claim())
        await till.records.confirm([Confirmation(who, 5, 2)])
        await by_lead.compensate(who, 1, signed("op-2"))
        late = replace(letter, event=(await till.claim()).event, units=-1)
        assert await Letters(worker.redis, worker.context).refuse_late(late)
        unknown = replace(letter.event, identifier="md1-none-9")
        with pytest.raises(Refused):
            await by_lead.begin_cancel(
                replace(letter, event=unknown), rebill=False, signature=signed("op-3")
            )
        for by in (worker, lead):
            await BillingHolds(by.redis, by.context).hold(who, period, "why")
            await BillingHolds(by.redis, by.context).release(who)

    async def empty_queue(self, worker: RoleUser, lead: RoleUser) -> None:
        """Take an event of the queue, and decide about it."""
        layout = worker.context.redis.layout
        await ask(self.admin, "HSET", layout.tenant("acme"), "customer", "cus_acme")
        queue = EventQueue(worker.redis, worker.context, "one")
        await queue.settle(results(await queue.take(1), Verdict.DEAD))
        (letter,) = await Letters(lead.redis, lead.context).of("acme")
        await Letters(lead.redis, lead.context).replay(letter, signed("q-1"))
        await queue.settle(results(await queue.take(1), Verdict.DELIVERED))
        assert await Letters(worker.redis, worker.context).refuse_late(letter)
        tidy = Script("checks", "tidy_consumers")
        await tidy.run(
            worker.redis,
            [layout.queue("acme")],
            [GROUP, 0],
            what="tidying",
            operation_id="",
        )

    async def keep_house(self, by: RoleUser) -> None:
        """Do what else a worker does: samples, turns, customers, their cycles."""
        now, layout = await server_time(by.redis), by.context.redis.layout
        counter = CounterId(ACME, CALLS, calendar_month(now).label)
        samples = SampleCalls(by.redis, by.context)
        (kept,) = await samples.read([counter])
        more = Samples().with_sample(Sample(1, 5), 100)
        assert more is not None
        assert await samples.keep([Keeping(kept, more, now + HOUR)]) == 1
        assert await LateErrorCalls(by.redis, layout).take_turn("roles", 1)
        indexes = BillingIndexes(by.redis, layout, "1f")
        await indexes.claiming([b"record"], 1000)
        await indexes.nothing_in_flight([b"record"])
        anchors = await Anchors.of(by.redis, by.context, "moved")
        await anchors.save(15)
        seats = CounterId(anchors.tenant, anchors.resource, anchors.period(15).label)
        await self.use(by, seats, 7)
        await anchors.save(20)
        assert await anchors.counter(20) == 7

    async def use(self, by: RoleUser, counter: CounterId, units: int) -> None:
        """Count as an application does that only knows INCR."""
        key = by.context.redis.layout.counter(
            counter.tenant, counter.resource, counter.period
        )
        await ask(self.admin, "INCRBY", key, units)


def _spooled(by: RoleUser, now: datetime) -> ReplayCall:
    layout, month = by.context.redis.layout, calendar_month(now)
    index = () if layout.tagged else (layout.sequence(), layout.changed())
    return ReplayCall(
        tenant=b"acme",
        entry=layout.tenant("acme"),
        used=(Used(CALLS, 1, month, layout.counter("acme", CALLS, month.label)),),
        call=layout.call("acme", "spooled"),
        settled=layout.settled("acme", "spooled"),
        reserved=(layout.reserved("acme", CALLS, month.label),),
        call_retention_s=600,
        index=index,
        retention_ms=86_400_000,
        cycle=b"",
        call_id="spooled",
        proves_until=now + HOUR,
    )
