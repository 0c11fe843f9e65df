"""Two operators at once: what was accepted is what was changed, and all of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from tests.support.contexts import CALLS
from tests.support.desk import ACME, ADA, BOB
from tests.support.raw import ask

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


@dataclass
class Outcome:
    """What became of many attempts."""

    accepted: list[Adjusted] = field(default_factory=list)
    conflicts: int = 0


async def attempt(
    operators: tuple[Operator, Operator], *, each: int, at_once: int
) -> Outcome:
    """Let both operators make `each` attempts, `at_once` at the same time, on the
    value that they see just before."""
    outcome = Outcome()

    async def work(operator: Operator, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                outcome.accepted.append(await operator.adjust(number))
            except Conflict:
                outcome.conflicts += 1

    async with asyncio.TaskGroup() as tasks:
        for first in range(at_once):
            for operator in operators:
                tasks.create_task(work(operator, range(first, each, at_once)))
    return outcome


# The script decides, and a server runs one at a time, whichever finds it.
@pytest.mark.not_on("cluster", "sentinel")
async def test_the_net_effect_of_a_thousand_each_is_that_of_the_accepted(
    redis: Redis, operators: tuple[Operator, Operator]
) -> None:
    """Sixteen at the same time, each on the value it saw; the others are conflicts."""
    outcome = await attempt(operators, each=EACH, at_once=8)

    accepted = outcome.accepted
    assert len(accepted) + outcome.conflicts == 2 * EACH
    assert len(accepted) > EACH / 10
    assert outcome.conflicts > EACH / 10
    await check(operators[0], accepted)
    trail = await whole_trail(operators[0].changes)
    assert {each.actor for each in trail} == {"ada", "bob"}
    quota_only = sum(
        int(each.after) - int(each.before)
        for each in trail
        if each.bill == Bill.QUOTA_ONLY
    )
    record = LAYOUT.billing(ACME, CALLS, trail[0].period)
    assert await redis.hget(record, "offset") == str(-quota_only).encode()


Entries = list[tuple[bytes, dict[bytes, bytes]]]


def flip(entries: Entries, at: int) -> None:
    """Flip one bit of one byte of an entry's value before."""
    before = entries[at][1][b"before"]
    entries[at][1][b"before"] = before[:-1] + bytes([before[-1] ^ 1])


def remove(entries: Entries, at: int) -> None:
    """Take one entry out."""
    del entries[at]


def swap(entries: Entries, at: int) -> None:
    """Let two entries change places, and keep the ids in order."""
    later = at + 7
    one, other = entries[at][1], entries[later][1]
    entries[at], entries[later] = (entries[at][0], other), (entries[later][0], one)


async def test_what_is_done_to_a_long_trail_is_found_and_located(
    redis: Redis, operators: tuple[Operator, Operator]
) -> None:
    """One flipped byte, one removed entry, two swapped ones, at the trail's start, in
    the middle and near its end: the first entry that is wrong is named, and with the
    trail put back nothing is."""
    await attempt(operators, each=200, at_once=4)
    key = LAYOUT.audit(ACME)
    trail: Entries = await ask(redis, "XRANGE", key, "-", "+")
    sound = [(raw_id, dict(fields)) for raw_id, fields in trail]
    changes = operators[1].changes

    async def write(entries: Entries) -> None:
        async with redis.pipeline(transaction=False) as pipe:
            pipe.delete(key)
            for raw_id, fields in entries:
                pipe.xadd(key, fields, id=raw_id)  # type: ignore[arg-type]  # bytes
            await pipe.execute()

    for tamper in (flip, remove, swap):
        for at in (0, len(sound) // 2, len(sound) - 9):
            entries = deepcopy(sound)
            tamper(entries, at)
            await write(entries)
            found = await changes.verify_audit(ACME)
            assert found is not None, (tamper, at)
            assert found.entry_id == entries[at][0].decode(), (tamper, at)
    await write(sound)
    assert await changes.verify_audit(ACME) is None


# The script decides, and a server runs one at a time, whichever finds it.
@pytest.mark.not_on("cluster", "sentinel")
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
