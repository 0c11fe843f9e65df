"""Two operators at once: what was accepted is what was changed, and all of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.contexts import CALLS
from tests.support.desk import ACME, ADA, BOB

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.errors import Conflict
from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    AdjustKind,
    Adjustment,
    AuditEntry,
    Bill,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
EACH = 1000
PERSISTENT, TIMES = 4, 25


class Operator:
    """One of the two: a client and services of their own."""

    def __init__(self, actor: Actor, context: Context) -> None:
        self.actor = actor
        self.redis = open_redis(context.redis)
        self.changes = OperatorChanges(self.redis, context)
        self.usage = UsageService(self.redis, context)

    async def seen(self) -> int:
        """Return the counter as it is."""
        used = (await self.usage.usage(ACME))[0].used
        assert isinstance(used, int)
        return used

    async def adjust(self, number: int) -> Adjusted:
        """Look at the counter, and change it if it is still that."""
        kind = AdjustKind.SUBTRACT if number % 3 == 0 else AdjustKind.ADD
        bill = Bill.QUOTA_ONLY if number % 2 else Bill.QUOTA_AND_BILL
        seen = await self.seen()
        wish = Adjustment(
            ACME, CALLS, kind, number % 7 + 1, seen, bill, f"no. {number}"
        )
        operation_id = f"{self.actor.name}-{number}-{seen}"
        return await self.changes.adjust(
            wish, actor=self.actor, operation_id=operation_id
        )

    async def insist(self, number: int) -> tuple[Adjusted, int]:
        """Do the same until it is accepted; return how often it was not, too."""
        conflicts = 0
        while True:
            try:
                return await self.adjust(number), conflicts
            except Conflict:
                conflicts += 1


@pytest.fixture
async def operators(
    redis: Redis, context: Context
) -> AsyncIterator[tuple[Operator, Operator]]:
    """Ada and Bob, whose tenant has 10,000 calls."""
    pair = Operator(ADA, context), Operator(BOB, context)
    await pair[0].usage.consume("other", {CALLS: 1})
    wish = Adjustment(ACME, CALLS, AdjustKind.SET, 10_000, 0, Bill.QUOTA_ONLY, "start")
    await pair[0].changes.adjust(wish, actor=ADA, operation_id="start")
    yield pair
    for operator in pair:
        await operator.redis.aclose()


async def whole_trail(changes: OperatorChanges) -> list[AuditEntry]:
    """Return acme's entries, oldest first, page by page."""
    found: list[AuditEntry] = []
    wanted: AuditQuery | None = AuditQuery(ACME, limit=300)
    while wanted is not None:
        page = await changes.audit_page(wanted)
        found += page.entries
        wanted = AuditQuery(ACME, 300, page.next) if page.next else None
    return found[::-1]


async def check(operator: Operator, accepted: list[Adjusted]) -> None:
    """The trail is sound, has the accepted changes and no others, and sums up."""
    assert await operator.changes.verify_audit(ACME) is None
    start, *trail = await whole_trail(operator.changes)
    assert start.after == "10000"
    assert {each.id for each in trail} == {each.audit_id for each in accepted}
    assert len(trail) == len(accepted)
    values = [int(start.after)]
    for entry in trail:
        assert int(entry.before) == values[-1]
        values.append(int(entry.after))
    net = sum(each.after - each.before for each in accepted)
    assert await operator.seen() == values[-1] == 10_000 + net


async def test_the_net_effect_of_a_thousand_each_is_that_of_the_accepted(
    redis: Redis, operators: tuple[Operator, Operator]
) -> None:
    """All at the same time, each on the value it saw; the others are conflicts."""
    results = await asyncio.gather(
        *(operator.adjust(number) for number in range(EACH) for operator in operators),
        return_exceptions=True,
    )

    accepted = [each for each in results if isinstance(each, Adjusted)]
    conflicts = [each for each in results if isinstance(each, Conflict)]
    assert len(accepted) + len(conflicts) == 2 * EACH
    assert accepted
    assert conflicts
    await check(operators[0], accepted)
    quota_only = sum(
        int(each.after) - int(each.before)
        for each in await whole_trail(operators[0].changes)
        if each.bill == Bill.QUOTA_ONLY
    )
    label = (await whole_trail(operators[0].changes))[0].period
    record = LAYOUT.billing(ACME, CALLS, label)
    assert await redis.hget(record, "offset") == str(-quota_only).encode()


async def test_who_looks_again_after_a_conflict_is_accepted_in_the_end(
    operators: tuple[Operator, Operator],
) -> None:
    """Every change is done once, though most were refused at first."""

    async def work(operator: Operator, worker: int) -> list[tuple[Adjusted, int]]:
        numbers = range(worker * TIMES, (worker + 1) * TIMES)
        return [await operator.insist(number) for number in numbers]

    done = await asyncio.gather(
        *(
            work(operator, worker)
            for worker in range(PERSISTENT)
            for operator in operators
        )
    )

    results = [each for some in done for each in some]
    assert len(results) == 2 * PERSISTENT * TIMES
    assert sum(conflicts for _, conflicts in results)
    await check(operators[1], [adjusted for adjusted, _ in results])
