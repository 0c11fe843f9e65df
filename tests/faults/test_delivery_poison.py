"""One event in eleven is poisoned: it holds up no other, and says why it is dead."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from tests.support.contexts import CALLS, RENDERS, with_events
from tests.support.delivering import delivering
from tests.support.doom import Doom
from tests.support.fault_run import FULL, METER, Stage, playing, until

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import EventState, LetterSource
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.usage import UsageService

GOOD, POISONED = (100_000, 10_000) if FULL else (2_000, 200)
IN_COUNTERS = 20
"""One in so many of either kind is a counter's, each of a tenant of its own."""
AT_ONCE = 200
SHAPE, UNKNOWN = "unfathomable", "Unknown dimension value."
BLOCKED = "The customer was blocked."

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


async def test_good_events_are_delivered_and_poisoned_ones_say_why(
    stage: Stage,
    valkey: Valkey,
    valkey_client: Redis,
) -> None:
    """Through the queue and from counters: every good one is at Stripe, once; every
    poisoned one is a letter with Stripe's words."""
    stage.stripe.seller.meter("renders")
    plain = with_events(stage.stripe.context(valkey.url))
    rate = 20_000  # a second; on a busy machine an event waits for its turn long
    context = delivering(plain, at_once=25, events_per_second=rate, takeover_s=100.0)
    good = stage.customers(GOOD // IN_COUNTERS)
    blocked = [f"bad{n}" for n in range(POISONED // IN_COUNTERS)]
    poison = {stage.stripe.subscribed(each): BLOCKED for each in blocked}
    await Use(valkey_client, context, [*good]).of(blocked)

    async with playing(
        "one event in eleven is poisoned",
        stage,
        context,
        Doom(9),
        redis=valkey_client,
        customers=good,
        workers=2,
    ) as run:
        run.door.poison = poison | {SHAPE: UNKNOWN}
        queue = EventQueue(valkey_client, context, "test")

        async def all_taken() -> bool:
            return await queue.length() == 0

        await until(all_taken, lambda: f"{len(run.ledger.counted)} accepted so far")
        await run.until_settled()
        letters = Letters(valkey_client, context)

        async def all_letters() -> bool:
            return await letters.count() == POISONED

        await until(all_letters, lambda: "poisoned events are missing in the letters")
        run.application.confirmed = len(good)
        stage.found(await run.check())
        accepted = Counter(each.event_name for each in run.ledger.counted)
        read = [each async for each in letters.all(POISONED + 1)]

    assert accepted == {METER: len(good), "renders": GOOD - len(good)}
    told = Counter((each.source, each.reason) for each in read)
    assert told == {
        (LetterSource.COUNTER, BLOCKED): len(blocked),
        (LetterSource.QUEUE, UNKNOWN): POISONED - len(blocked),
    }
    # Of a hundred thousand requests some may time out before they are refused.
    late = {EventState.AMBIGUOUS} if FULL else set()
    assert {each.state for each in read} - late == {EventState.DEAD}
    assert sum(map(int, run.ledger.units.values())) == GOOD


@dataclass(frozen=True)
class Use:
    """What an application counts and queues: one unit of each."""

    redis: Redis
    context: Context
    tenants: Sequence[str]

    async def of(self, blocked: Sequence[str]) -> None:
        """Count for every tenant, and queue the rest, good ones and poisoned mixed."""
        usage = UsageService(self.redis, self.context)
        for tenant in (*self.tenants, *blocked):
            await usage.consume(tenant, {CALLS: 1})
        good = ["round"] * (GOOD - len(self.tenants))
        shapes = [*good, *[SHAPE] * (POISONED - len(blocked))]
        random.Random(1).shuffle(shapes)  # noqa: S311  # guesses no secret
        for start in range(0, len(shapes), AT_ONCE):
            await asyncio.gather(
                *(
                    usage.track(
                        self.tenants[number % len(self.tenants)],
                        RENDERS,
                        100,
                        dimensions={"shape": shapes[number]},
                    )
                    for number in range(start, min(start + AT_ONCE, len(shapes)))
                )
            )
