"""Which events go together, which one after the other, and what holds up what."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.sending import NOW, UNTIL, HeldSink, ToldTime, event, sender_to

from meterdeck.core.model.delivery import Answer, Delivery
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.services.sender import Sender
from meterdeck.core.services.serial_lanes import SerialLanes


def start(sender: Sender, *events: MeterEvent) -> list[asyncio.Task[Delivery]]:
    """Begin to deliver."""
    return [asyncio.ensure_future(sender.deliver(each, until=UNTIL)) for each in events]


async def test_events_of_one_customer_and_meter_go_one_after_the_other() -> None:
    """In order of arrival; another customer's and another meter's go meanwhile."""
    sink, time = HeldSink(), ToldTime()
    sender = sender_to(sink, time, at_once=3)
    other_meter = replace(event(9), event_name="other")

    tasks = start(sender, *map(event, range(4)), event(5, "cus_2"), other_meter)
    await sink.holds(3)  # and the three that wait take no slot
    assert [batch[0].identifier for batch in sink.sent] == ["id-0", "id-5", "id-9"]
    assert sender.busy_lanes == 3
    for request, next_one in ((0, 4), (3, 5), (4, 6)):
        sink.answer(request)
        await sink.holds(next_one)
    for request in (5, 1, 2):
        sink.answer(request)
    await asyncio.gather(*tasks)

    assert [batch[0].identifier for batch in sink.sent[3:]] == ["id-1", "id-2", "id-3"]
    assert sender.busy_lanes == 0


async def test_a_cancelled_delivery_gives_up_its_lane_and_its_slot() -> None:
    """Cancelled on its way, waiting, or at its turn: the next one goes on."""
    sink, time = HeldSink(), ToldTime()
    sender = sender_to(sink, time, at_once=1)

    first, waiting, other, last = start(
        sender, event(1), event(2), event(3, "cus_2"), event(4)
    )
    await sink.holds(1)
    waiting.cancel()
    first.cancel()
    await asyncio.wait([first, waiting])
    await sink.holds(2)
    sink.answer(1)
    await sink.holds(3)
    sink.answer(2)
    await asyncio.gather(other, last)

    assert [batch[0].identifier for batch in sink.sent] == ["id-1", "id-3", "id-4"]
    assert sender.busy_lanes == 0


async def test_one_that_is_cancelled_at_its_turn_passes_it_on() -> None:
    """The lane was given to it, and it went away before it could take it."""
    lanes = SerialLanes()
    await lanes.enter("lane")
    second = asyncio.ensure_future(lanes.enter("lane"))
    third = asyncio.ensure_future(lanes.enter("lane"))
    await asyncio.sleep(0)

    lanes.leave("lane")
    second.cancel()
    await asyncio.wait_for(third, 10)
    lanes.leave("lane")

    assert second.cancelled()
    assert len(lanes) == 0


async def test_a_bad_key_stops_what_waits_to_be_sent() -> None:
    """Their turn comes after the 401: they are answered, and nothing is asked."""
    sink, time = HeldSink(), ToldTime()
    sender = sender_to(sink, time, at_once=1)

    tasks = start(sender, event(1), event(2, "cus_2"), event(3))
    await sink.holds(1)
    sink.answer(0, Answer.STOPPED)
    found = await asyncio.gather(*tasks)

    assert {each.last.answer for each in found} == {Answer.STOPPED}
    assert len(sink.sent) == 1


async def test_one_that_never_had_its_turn_was_surely_not_sent() -> None:
    """Patience over while another event of the customer was on its way: BUSY."""
    sink, time = HeldSink(), ToldTime()
    sender = sender_to(sink, time, patience_s=0.1)

    sent, waited = await asyncio.gather(*start(sender, event(1), event(2)))

    assert sent.last.answer is Answer.UNKNOWN
    assert (waited.last.answer, waited.last.code) == (Answer.BUSY, "check_wait")
    assert len(sink.sent) == 1


async def test_batches_fill_while_others_are_on_their_way() -> None:
    """What there is goes at once when nothing is under way; then full batches go."""
    sink, time = HeldSink(batch=10, serial=False), ToldTime()
    sender = sender_to(sink, time, at_once=2)

    tasks = start(sender, *map(event, range(4)))
    await sink.holds(1)
    tasks += start(sender, *map(event, range(4, 36)))
    await sink.holds(2)  # no third: two requests at once are all
    sink.answer(0)
    await sink.holds(3)
    for request in (1, 2, 3, 4):
        sink.answer(request)
        await sink.holds(min(request + 3, 5))
    found = await asyncio.gather(*tasks)

    assert {each.last.answer for each in found} == {Answer.ACCEPTED}
    assert [len(batch) for batch in sink.sent] == [4, 10, 10, 10, 2]


async def test_a_part_of_a_batch_does_not_wait_for_one_that_hangs() -> None:
    """A moment later it goes by itself, though another request has no answer."""
    sink, time = HeldSink(batch=10, serial=False), ToldTime()
    sender = sender_to(sink, time, at_once=2)

    (hanging,) = start(sender, event(1))
    await sink.holds(1)
    second = start(sender, event(2), event(3))
    await sink.holds(2)
    third = start(sender, event(4))
    sink.answer(1)
    await asyncio.gather(*second)
    await sink.holds(3)
    sink.answer(2)
    await asyncio.gather(*third)
    assert not hanging.done()
    sink.answer(0)
    await hanging
    await sender.close()

    assert [len(batch) for batch in sink.sent] == [1, 2, 1]


async def test_an_event_in_a_batch_ends_by_patience_wherever_it_is() -> None:
    """On its way without an answer: unknown; still waiting to go: surely not sent."""
    sink = HeldSink(batch=10, serial=False)
    time = ToldTime()
    sender = sender_to(sink, time, at_once=1, patience_s=5)

    tasks = start(sender, event(1))
    await sink.holds(1)
    tasks += start(sender, event(2))
    await asyncio.sleep(0)
    time.seconds += 5
    sent, waited = await asyncio.gather(*tasks)

    assert sent.last.answer is Answer.UNKNOWN
    assert (waited.last.answer, waited.last.code) == (Answer.BUSY, "check_wait")
    sink.answer(0)
    await sender.close()
    assert len(sink.sent) == 1


async def test_an_event_whose_time_is_over_leaves_its_batch() -> None:
    """It was gathered in time and would be sent too late: the others go without it."""
    sink, time = HeldSink(batch=10, serial=False), ToldTime()
    sender = sender_to(sink, time, at_once=1)

    tasks = start(sender, event(1))
    await sink.holds(1)
    until = NOW + timedelta(seconds=1)
    late = asyncio.ensure_future(sender.deliver(event(2), until=until))
    tasks += start(sender, event(3))
    await asyncio.sleep(0)
    time.seconds += 1
    sink.answer(0)
    await sink.holds(2)
    sink.answer(1)
    await asyncio.gather(*tasks)

    assert (await late).last.code == "check_until"
    assert [each.identifier for each in sink.sent[1]] == ["id-3"]


async def test_a_cancelled_delivery_leaves_its_batch() -> None:
    """Not sent yet: it is taken out; sent: the others of its batch go on."""
    sink, time = HeldSink(batch=10, serial=False), ToldTime()
    sender = sender_to(sink, time, at_once=1)

    gone, kept, *later = start(sender, *map(event, range(2)))
    await sink.holds(1)
    later = start(sender, event(2), event(3))
    await asyncio.sleep(0)
    gone.cancel()
    later[0].cancel()
    sink.answer(0)
    await sink.holds(2)
    sink.answer(1)

    assert (await kept).last.answer is Answer.ACCEPTED
    assert (await later[1]).last.answer is Answer.ACCEPTED
    assert [each.identifier for each in sink.sent[1]] == ["id-3"]
    with pytest.raises(asyncio.CancelledError):
        await gone
