"""The queue of track(): its events are given to workers until they are settled."""

from datetime import timedelta

import pytest
from tests.support.contexts import RENDERS, with_events
from tests.support.proxy import Proxy
from tests.support.queued import QueuedTenant, impatient, results, workers
from tests.support.raw import ask
from tests.support.restricted import restricted

from meterdeck.core.adapters import queue_calls
from meterdeck.core.adapters.queue_calls import QueueCalls
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.delivery import (
    IDENTIFIER_MARGIN,
    IDENTIFIER_WINDOW,
    EventState,
    Verdict,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.queued import QueuedEvent
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.queue_settling import QueueSettling
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()

pytestmark = pytest.mark.not_on("sentinel")


@pytest.fixture
def context(context: Context) -> Context:
    """The same with a resource that is billed by events."""
    return with_events(context)


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


@pytest.fixture
async def acme(redis: Redis, usage: UsageService) -> QueuedTenant:
    """Tenant acme, who is a customer."""
    await redis.hset(LAYOUT.tenant("acme"), "customer", "cus_acme")
    return QueuedTenant(redis, usage, LAYOUT)


async def test_what_a_dead_worker_had_is_taken_over_with_the_same_payload(
    acme: QueuedTenant, context: Context
) -> None:
    """The customer it was first given with, also when the directory names another."""
    await acme.track()
    dead, heir = workers(acme.redis, impatient(context))
    (first,) = await dead.take(10)
    await acme.redis.hset(LAYOUT.tenant("acme"), "customer", "cus_other")
    await acme.track()

    taken = await heir.take(10)

    by_id = {each.id: each for each in taken}
    again = by_id.pop(first.id)
    assert again.event == first.event
    assert (again.first_sent_at, again.deliveries) == (first.first_sent_at, 2)
    assert (first.maybe_sent, again.maybe_sent) == (False, True)
    assert [each.event.customer for each in by_id.values()] == ["cus_other"]
    window = IDENTIFIER_WINDOW - IDENTIFIER_MARGIN
    assert again.send_until == first.first_sent_at + window


async def test_what_a_living_worker_has_is_not_taken_over(
    acme: QueuedTenant, context: Context
) -> None:
    """Not before `takeover_s`."""
    await acme.track()
    one, other = workers(acme.redis, context)
    await one.take(10)

    assert await other.take(10) == []


async def test_a_late_settlement_after_a_takeover_changes_nothing(
    acme: QueuedTenant, context: Context
) -> None:
    """The first one counts: one line of the log, no letter, also when repeated."""
    await acme.track()
    slow, quick = workers(acme.redis, impatient(context))
    given = await slow.take(10)
    await quick.take(10)

    await quick.settle(results(given, Verdict.DELIVERED))
    await slow.settle(results(given, Verdict.DEAD, "too late"))
    await quick.settle(results(given, Verdict.DELIVERED))

    assert await acme.outcomes() == ["accepted"]
    assert await acme.letters() == {}
    assert await acme.left() == []


@pytest.mark.parametrize(
    ("verdict", "state", "outcome"),
    [
        (Verdict.DEAD, "dead", "refused"),
        (Verdict.AMBIGUOUS, "ambiguous", "unknown"),
    ],
)
async def test_what_cannot_be_delivered_becomes_a_letter_once(
    acme: QueuedTenant,
    context: Context,
    verdict: Verdict,
    state: str,
    outcome: str,
) -> None:
    """With its payload and the reason; one that was delivered after all loses it."""
    await acme.track(250, dimensions={"size": "xl"})
    queue, _ = workers(acme.redis, context)
    given = await queue.take(10)

    await queue.settle(results(given, verdict, "no such meter"))
    await queue.settle(results(given, verdict, "no such meter"))
    letters = await acme.letters()
    tenants = await ask(acme.redis, "ZRANGE", LAYOUT.lettered(), 0, -1)
    await queue.settle(results(given, Verdict.DELIVERED))

    (letter,) = letters.values()
    assert (letter["state"], letter["source"]) == (state, "queue")
    assert (letter["reason"], letter["customer"]) == ("no such meter", "cus_acme")
    assert (letter["value"], letter["dimensions"]) == ("2.5", '{"size":"xl"}')
    assert tenants == [b"acme"]
    assert await acme.letters() == {}
    assert await acme.outcomes() == [outcome, "accepted"]
    assert await acme.left() == []


async def test_later_leaves_an_event_to_be_given_again(
    acme: QueuedTenant, context: Context
) -> None:
    """Nothing is written of it."""
    await acme.track()
    queue, _ = workers(acme.redis, impatient(context))
    given = await queue.take(10)

    await queue.settle(results(given, Verdict.LATER))

    (again,) = await queue.take(10)
    assert (again.id, again.deliveries) == (given[0].id, 2)
    assert await acme.outcomes() == []


async def test_settling_without_the_rights_settles_nothing(
    acme: QueuedTenant, context: Context
) -> None:
    """Not a part of it either."""
    await acme.track()
    queue, _ = workers(acme.redis, context)
    given = await queue.take(10)

    for right in ("-xack", "-xdel", "-hset", "-hdel"):
        async with restricted(acme.redis, context.redis, right) as client:
            with pytest.raises(RedisRefused):
                await EventQueue(client, context, "one").settle(
                    results(given, Verdict.DEAD)
                )

    assert await acme.left() == [given[0].id]
    assert (await acme.letters(), await acme.outcomes()) == ({}, [])


async def test_an_event_without_a_customer_waits_until_there_is_one(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """Its identifier's window begins when it can be sent."""
    acme = QueuedTenant(redis, usage, LAYOUT)
    await acme.track()
    queue, _ = workers(redis, impatient(context))

    (without,) = await queue.take(10)
    await queue.settle(results([without], Verdict.LATER))
    noted = await redis.exists(LAYOUT.queued("acme"))
    await redis.hset(LAYOUT.tenant("acme"), "customer", "cus_acme")
    before = await server_time(redis)
    (given,) = await queue.take(10)

    assert (without.event.customer, noted) == ("", 0)
    assert given.event.customer == "cus_acme"
    assert given.first_sent_at >= before - timedelta(seconds=1)
    assert (given.deliveries, given.maybe_sent) == (2, False)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("units", "many", "units is 'many'"),
        ("timestamp", "", "timestamp is ''"),
        ("dimensions", "[1]", "dimensions is '[1]'"),
        ("identifier", "x" * 101, "identifier is"),
        ("value", "1e3", "value is '1e3'"),
    ],
)
async def test_an_entry_that_track_did_not_write_becomes_a_dead_letter(
    acme: QueuedTenant, context: Context, field: str, value: str, why: str
) -> None:
    """With what is wrong with it; those behind it are given in the same turn."""
    await acme.track()
    ((_, fields),) = await ask(acme.redis, "XRANGE", LAYOUT.queue("acme"), "-", "+")
    wrong = {**fields, field.encode(): value.encode()}
    await ask(acme.redis, "DEL", LAYOUT.queue("acme"))
    await acme.redis.xadd(LAYOUT.queue("acme"), wrong)
    await acme.track()
    queue, _ = workers(acme.redis, context)

    given = await queue.take(10)

    (letter,) = (await acme.letters()).values()
    assert letter["reason"].startswith(f"it was not queued by track(): {why}")
    assert letter["state"] == "dead"
    assert len(given) == 1
    assert queue.alarms.foreign == 1
    assert await acme.left() == [given[0].id]


async def test_any_other_entry_is_a_dead_letter_too(
    acme: QueuedTenant, context: Context
) -> None:
    """Whatever bytes it has; on a cluster its tenant is the queue's."""
    await ask(acme.redis, "XADD", LAYOUT.queue("acme"), "*", b"\xff", b"\x00")
    await ask(acme.redis, "XADD", LAYOUT.queue("acme"), "9999999999999-0", "a", "b")
    if LAYOUT.tagged:
        await ask(acme.redis, "SADD", LAYOUT.queues(), "acme")
    queue, _ = workers(acme.redis, context)

    assert await queue.take(10) == []
    assert await acme.left() == []
    assert queue.alarms.foreign == 2
    who = "acme" if LAYOUT.tagged else "unknown"
    assert await ask(acme.redis, "HLEN", LAYOUT.letters(who)) == 2


async def test_a_lost_group_is_made_again_and_nothing_is_lost(
    acme: QueuedTenant, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    """What was given is given again, with what is noted of it; and it is an alarm."""
    await acme.track()
    await acme.track()
    queue, _ = workers(acme.redis, context)
    first = await queue.take(10)
    await queue.settle(results(first[:1], Verdict.DELIVERED))
    at_first = queue.alarms.groups_lost
    await ask(acme.redis, "XGROUP", "DESTROY", LAYOUT.queue("acme"), "meterdeck")

    seen = await queue.take(10)
    _, other = workers(acme.redis, context)
    await ask(acme.redis, "XGROUP", "DESTROY", LAYOUT.queue("acme"), "meterdeck")
    unseen = await other.take(10)

    assert [each.event for each in seen] == [first[1].event]
    assert [each.first_sent_at for each in unseen] == [first[1].first_sent_at]
    assert [(each.deliveries, each.maybe_sent) for each in unseen] == [(1, True)]
    assert (at_first, queue.alarms.groups_lost, other.alarms.groups_lost) == (0, 1, 1)
    assert "queue_group_lost" in caplog.text


async def test_an_entry_that_somebody_removed_is_an_alarm(
    acme: QueuedTenant, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    """It was given to a worker, and is nowhere any more."""
    await acme.track()
    queue, heir = workers(acme.redis, impatient(context))
    (given,) = await queue.take(10)
    await ask(acme.redis, "XDEL", LAYOUT.queue("acme"), given.id)

    assert await heir.take(10) == []
    assert heir.alarms.entries_lost == 1
    assert given.id in caplog.text
    assert await acme.redis.exists(LAYOUT.queued("acme")) == 0


async def test_a_queue_of_another_type_stops_no_worker(
    acme: QueuedTenant, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log, once."""
    await ask(acme.redis, "SET", LAYOUT.queue("acme"), "x")
    if LAYOUT.tagged:
        await ask(acme.redis, "SADD", LAYOUT.queues(), "acme")
    queue, _ = workers(acme.redis, context)

    assert [await queue.take(10) for _ in range(2)] == [[], []]
    assert caplog.text.count("queue_unusable") == 1


async def test_what_waits_is_listed_and_given_to_nobody(
    acme: QueuedTenant, context: Context
) -> None:
    """Those that a worker has are in flight, the others queued; oldest first."""
    await acme.track(1)
    queue, other = workers(acme.redis, context)
    taken = await queue.take(10)
    await acme.track(2)

    listed = await other.waiting(10)

    assert [(each.units, each.state) for each in listed] == [
        (1, EventState.IN_FLIGHT),
        (2, EventState.QUEUED),
    ]
    assert listed[0].event == taken[0].event
    assert listed[1].event.customer == "cus_acme"
    assert [each.deliveries for each in listed] == [1, 0]
    assert len(await other.take(10)) == 1
    assert (await queue.length(), await queue.oldest()) == (2, taken[0].queued_at)


async def test_an_empty_server_has_nothing_to_take_and_nothing_is_made(
    redis: Redis, context: Context
) -> None:
    """No stream and no group before the first event."""
    queue, _ = workers(redis, context)

    assert await queue.take(10) == []
    assert (await queue.length(), await queue.oldest()) == (0, None)
    assert await queue.waiting(10) == []
    assert await redis.keys("*") == []
    assert queue.alarms.groups_lost == 0


@pytest.mark.not_on("valkey", "redis7")  # one queue, in the order of the events
async def test_no_tenants_queue_holds_up_anothers(
    redis: Redis, usage: UsageService, context: Context
) -> None:
    """Where each has its own, one with much takes no more than its share."""
    for _ in range(40):
        await usage.track("big", RENDERS)
    for number in range(5):
        await usage.track(f"small-{number}", RENDERS)
    queue, _ = workers(redis, context)

    first = await queue.take(12)
    rest: list[QueuedEvent] = []
    while taken := await queue.take(12):
        rest += taken

    assert {f"small-{n}" for n in range(5)} <= {each.tenant for each in first}
    assert len({each.id + each.tenant for each in [*first, *rest]}) == 45


async def test_a_lost_answer_to_a_settlement_is_asked_for_again(
    acme: QueuedTenant, context: Context, redis_server: Valkey
) -> None:
    """It was done: nothing is done twice, and there is one line."""
    await acme.track()
    async with Proxy(redis_server.url) as proxy:
        options = RedisOptions(url=proxy.url, timeout_s=10.0)
        far = open_redis(options, connections=1)
        queue, _ = workers(far, context)
        given = await queue.take(10)
        moment = await server_time(far)
        proxy.lose_next_answer()
        settling = QueueSettling(far, context, QueueCalls(far, "one", 0))
        await settling.settle(
            LAYOUT.queue("acme"),
            LAYOUT.queued("acme"),
            results(given, Verdict.DEAD, "no"),
            moment,
        )
        await far.aclose()

    assert await acme.outcomes() == ["refused"]
    assert len(await acme.letters()) == 1
    assert await acme.left() == []


async def test_workers_that_are_long_gone_are_forgotten_and_what_they_had_is_not(
    acme: QueuedTenant, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new worker forgets those that have nothing; one with an event stays."""
    await acme.track()
    one, other = workers(acme.redis, context)
    (given,) = await one.take(10)
    await other.take(10)
    monkeypatch.setattr(queue_calls, "_FORGOTTEN_MS", 0)

    await EventQueue(acme.redis, context, "third").take(10)

    key = LAYOUT.queue("acme")
    consumers = await ask(acme.redis, "XINFO", "CONSUMERS", key, "meterdeck")
    assert [each[1] for each in consumers] == [b"one"]
    await one.settle(results([given], Verdict.DELIVERED))
    assert await acme.left() == []


async def test_a_note_of_an_event_that_was_settled_before_is_forgotten(
    acme: QueuedTenant, redis: Redis, context: Context
) -> None:
    """One worker hangs between being given an event and noting it; another settles it,
    and the first is killed. What is noted of an event still to be sent stays; so does
    what no name of ours can be read of."""
    layout = context.redis.layout
    other = EventQueue(redis, context, "other")
    await acme.track()
    await other.settle(results(await other.take(1), Verdict.DELIVERED))
    await acme.track()
    (waits,) = await other.take(1)
    await redis.hset(layout.queued("acme").decode(), "1-1", "1795684677162 cus_1")
    await ask(redis, "HSET", layout.queued("acme"), b"\xff", "whose")

    await EventQueue(redis, context, "third").take(10)

    noted = await ask(redis, "HKEYS", layout.queued("acme"))
    assert set(noted) == {waits.id.encode(), b"\xff"}
