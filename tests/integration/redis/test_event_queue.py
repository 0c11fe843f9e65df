"""The queue of track(): its events are given to workers until they are settled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.contexts import RENDERS, with_events
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Answer, Attempt, EventState, Verdict
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.queued import QueuedEvent, QueuedResult
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource that is billed by events."""
    return with_events(context)


def impatient(context: Context) -> Context:
    """Return the same, whose workers take over at once what is not settled."""
    return replace(context, delivery=replace(context.delivery, takeover_s=0.0))


def results(
    events: Sequence[QueuedEvent], verdict: Verdict, message: str = ""
) -> list[QueuedResult]:
    """Return that these events came to that."""
    answer = {
        Verdict.DELIVERED: Answer.ACCEPTED,
        Verdict.DEAD: Answer.REFUSED,
        Verdict.AMBIGUOUS: Answer.UNKNOWN,
        Verdict.LATER: Answer.BUSY,
    }[verdict]
    attempt = Attempt(answer, datetime.now(UTC), message)
    return [QueuedResult(each, verdict, attempt) for each in events]


async def test_an_event_is_given_to_one_worker_and_gone_when_it_is_settled(
    redis: Redis, context: Context, usage: UsageService
) -> None:
    """Nothing of it is left in the queue or beside it; the log has its line."""
    await redis.hset(LAYOUT.tenant("acme"), "customer", "cus_acme")
    await usage.track("acme", RENDERS, 250, dimensions={"b": "2", "a": "1"})
    one, other = (EventQueue(redis, context, name) for name in ("one", "other"))

    taken = await one.take(10)
    also = await other.take(10)
    await one.settle(results(taken, Verdict.DELIVERED))

    (given,) = taken
    assert also == []
    assert (given.event.customer, given.event.value) == ("cus_acme", "2.5")
    assert given.event.dimensions == (("a", "1"), ("b", "2"))
    assert (given.units, given.deliveries, given.state) == (
        250,
        1,
        EventState.IN_FLIGHT,
    )
    assert await one.length() == 0
    assert await redis.exists(LAYOUT.queued("acme")) == 0
    pending = await redis.xpending(LAYOUT.queue("acme"), "meterdeck")
    assert pending["pending"] == 0
    ((_, line),) = await ask(redis, "XRANGE", LAYOUT.events(), "-", "+")
    assert (line[b"identifier"].decode(), line[b"outcome"]) == (
        given.event.identifier,
        b"accepted",
    )
