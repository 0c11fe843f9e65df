"""Letters of queued events: queued once more, or settled as an operator says."""

import json
from dataclasses import replace

import pytest
from tests.support.contexts import with_events
from tests.support.queued import QueuedTenant, results, workers
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import (
    EventState,
    Letter,
    Verdict,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()

pytestmark = pytest.mark.not_on("sentinel")


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource that is billed by events."""
    return with_events(context)


@pytest.fixture
async def acme(redis: Redis, usage: UsageService) -> QueuedTenant:
    """Tenant acme, who is a customer."""
    await redis.hset(LAYOUT.tenant("acme"), "customer", "cus_acme")
    return QueuedTenant(redis, usage, LAYOUT)


async def settled_letter(
    acme: QueuedTenant, context: Context, verdict: Verdict
) -> Letter:
    """Return the letter of an event that came to that."""
    await acme.track(250, dimensions={"size": "xl"})
    queue, _ = workers(acme.redis, context)
    await queue.settle(results(await queue.take(10), verdict, "no such meter"))
    (letter,) = await Letters(acme.redis, context).of("acme")
    return letter


def signed(operation_id: str) -> Signature:
    """Sign a change."""
    return Signature(Actor("ada", "local"), "meter is there now", operation_id)


async def test_a_dead_event_is_queued_once_more_under_its_identifier(
    acme: QueuedTenant, context: Context
) -> None:
    """The letter goes, an audit entry comes; once an operation id, once a letter."""
    letter = await settled_letter(acme, context, Verdict.DEAD)
    letters = Letters(acme.redis, context)

    done = await letters.replay(letter, signed("op-1"))
    again = await letters.replay(letter, signed("op-1"))
    with pytest.raises(NotFound):
        await letters.replay(letter, signed("op-2"))

    queue, _ = workers(acme.redis, context)
    (given,) = await queue.take(10)
    assert given.event == letter.event
    assert (done.units, done.replayed, again.replayed) == (250, False, True)
    assert await acme.letters() == {}
    trail = await ask(acme.redis, "XRANGE", LAYOUT.audit("acme"), "-", "+")
    assert [fields[b"action"] for _, fields in trail] == [b"event:replay"]


async def test_an_event_that_stripe_did_not_count_is_queued_under_another_identifier(
    acme: QueuedTenant, context: Context
) -> None:
    """Once, however often Stripe reports it, and again if it happens again."""
    letters = Letters(acme.redis, context)
    letter = await settled_letter(acme, context, Verdict.DEAD)
    first = letter.event.identifier
    await ask(acme.redis, "DEL", LAYOUT.letters("acme"))

    news = [await letters.refuse_late(letter) for _ in range(2)]
    (refused,) = await letters.of("acme")
    await letters.replay(refused, signed("op-1"))
    news.append(await letters.refuse_late(letter))
    queue, _ = workers(acme.redis, context)
    (given,) = await queue.take(10)
    anew = replace(refused, event=given.event)
    await letters.refuse_late(anew)
    await letters.replay((await letters.of("acme"))[0], signed("op-2"))
    more = await queue.take(10)

    assert (news, refused.state) == ([True, False, False], EventState.REFUSED)
    assert refused.event == letter.event
    assert given.event == replace(letter.event, identifier=f"{first}.r1")
    assert [each.event.identifier for each in more] == [f"{first}.r2"]


async def test_an_ambiguous_event_is_billed_or_queued_as_an_operator_says(
    acme: QueuedTenant, context: Context
) -> None:
    """Counted, it needs nothing more; not counted, it is queued once more."""
    letters = Letters(acme.redis, context)
    queue, _ = workers(acme.redis, context)
    letter = await settled_letter(acme, context, Verdict.AMBIGUOUS)
    with pytest.raises(Refused, match="is ambiguous"):
        await letters.replay(letter, signed("op-1"))

    await letters.resolve(letter, counted=True, signature=signed("op-2"))
    nothing = await queue.take(10)
    other = await settled_letter(acme, context, Verdict.AMBIGUOUS)
    await letters.resolve(other, counted=False, signature=signed("op-3"))

    assert nothing == []
    assert [each.event for each in await queue.take(10)] == [other.event]
    assert await acme.letters() == {}


async def test_what_stripe_cannot_take_is_not_queued_once_more(
    acme: QueuedTenant, context: Context
) -> None:
    """An entry that track did not write, and an event that is too old."""
    letters = Letters(acme.redis, context)
    letter = await settled_letter(acme, context, Verdict.DEAD)
    raw = (await acme.letters())[letter.event.identifier]
    for change, words in (
        ({"timestamp": "1700000000"}, "more than 35 days old"),
        ({"code": "check_queue_entry"}, "was not queued by track"),
    ):
        text = json.dumps({**raw, **change})
        await acme.redis.hset(LAYOUT.letters("acme"), letter.event.identifier, text)
        with pytest.raises(Refused, match=words):
            await letters.replay(letter, signed("op-1"))

    assert await acme.left() == []
    assert len(await acme.letters()) == 1
