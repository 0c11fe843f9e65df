"""What the sender makes of Stripe's answers, over HTTP and in a time of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.sending import (
    KEY,
    NOW,
    UNTIL,
    ToldTime,
    event,
    sender_to,
    sink_to,
)
from tests.support.stripe_account import Seller
from tests.support.stripe_faults import (
    HTML,
    RESET,
    Asked,
    FaultServer,
    Reply,
    answer,
    refusal,
)

from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.model.context import Mode, Secret, SinkKind, StripeOptions
from meterdeck.core.model.delivery import Answer
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.services.sender import Sender

ACCEPTED = answer({"object": "billing.meter_event", "livemode": False})
BUSY = refusal(429, "Testmode request rate limit exceeded.", code="rate_limit")
LOCKED = refusal(429, "This object can't be accessed.", code="lock_timeout")
FAULT = refusal(500, "An unknown error occurred.")
CUT = Reply(body=b'{"object"', cut=True)
DUPLICATE = refusal(400, "An event already exists with identifier id-1.")
ANOTHERS = refusal(400, "An event already exists with identifier id-11.")
NO_KEY = refusal(401, "Invalid API Key provided: sk_test_****ocal")


@asynccontextmanager
async def sending_to(
    server: FaultServer, time: ToldTime, **more: float
) -> AsyncIterator[Sender]:
    """Run a sender to a server of this test."""
    async with sink_to(server.base_url, time) as sink:
        yield sender_to(sink, time, **more)  # type: ignore[arg-type]  # ints and floats


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        (ACCEPTED, Answer.ACCEPTED),
        (DUPLICATE, Answer.DUPLICATE),
        (ANOTHERS, Answer.REFUSED),
        (refusal(400, "No active meter found."), Answer.REFUSED),
        (refusal(400, "No such customer", code="resource_missing"), Answer.REFUSED),
        (NO_KEY, Answer.STOPPED),
        (refusal(403, "This key may not."), Answer.STOPPED),
        (refusal(404, "Unrecognized request URL (POST: /)."), Answer.STOPPED),
        (answer({"object": "x", "livemode": True}), Answer.STOPPED),
    ],
)
async def test_an_answer_that_settles_an_event_ends_its_delivery(
    reply: Reply, meant: Answer
) -> None:
    """One request; a duplicate only where it names exactly this event."""
    async with FaultServer(reply) as server, sending_to(server, ToldTime()) as sender:
        delivery = await sender.deliver(event(), until=UNTIL)

        assert delivery.last.answer is meant
        assert len(server.asked) == len(delivery.attempts) == 1


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        (BUSY, Answer.BUSY),
        (LOCKED, Answer.BUSY),
        (refusal(409, "in progress"), Answer.BUSY),
        (FAULT, Answer.UNKNOWN),
        (CUT, Answer.UNKNOWN),
        (RESET, Answer.UNKNOWN),
        (HTML, Answer.UNKNOWN),
    ],
)
async def test_an_event_is_sent_again_as_it_was_under_a_fresh_key(
    reply: Reply, meant: Answer
) -> None:
    """Put off or lost: same identifier, same payload, another Idempotency-Key."""
    async with (
        FaultServer(reply, ACCEPTED) as server,
        sending_to(server, ToldTime()) as sender,
    ):
        delivery = await sender.deliver(event(), until=UNTIL)

        first, second = server.asked
        assert [each.answer for each in delivery.attempts] == [meant, Answer.ACCEPTED]
        assert first.body == second.body
        keys = [each.headers["idempotency-key"] for each in server.asked]
        assert keys == [each.idempotency_key for each in delivery.attempts]
        assert keys[0] != keys[1]
        assert all(key.startswith("id-1.") for key in keys)


@pytest.mark.parametrize("kind", SinkKind)
async def test_a_payload_has_its_meters_keys_and_the_dimensions(kind: SinkKind) -> None:
    """Whatever is in them: both ways to Stripe carry the same texts."""
    meter = MeterInfo(
        "mtr_1", "odd & name", "", "sum", True, "customer id", "tokens[used]"
    )
    odd = (("größe", "a=b&c"), ("model", "gpt 5+"))
    sent = MeterEvent("odd & name", "id-1", "cus_1", "-1.5", NOW, odd)
    options = StripeOptions(Secret(KEY))
    async with FaultServer(answer({"authentication_token": "token"})) as server:
        options = replace(
            options, api_base=server.base_url, meter_events_base=server.base_url
        )
        sink = open_sink(
            kind, options, Mode.TEST, at_once=1, meters={"odd & name": meter}.get
        )
        await sink.send([sent])
        await sink.close()
        asked = server.asked[-1]

    if kind is SinkKind.V1:
        assert asked.form["event_name"] == "odd & name"
        assert asked.form["timestamp"] == str(int(NOW.timestamp()))
        inside = "payload["
        found = {
            name.removeprefix(inside)[:-1]: text
            for name, text in asked.form.items()
            if name.startswith(inside)
        }
    else:
        (event_sent,) = json.loads(asked.body)["events"]
        assert event_sent["event_name"] == "odd & name"
        found = event_sent["payload"]
    assert found == {**dict(odd), "customer id": "cus_1", "tokens[used]": "-1.5"}


async def test_what_stripe_took_without_answering_is_found_delivered() -> None:
    """It took the event and said nothing: asked again, it knows the identifier."""
    local = LocalStripe(api_key=KEY, now=ToldTime().now)
    seller = Seller(local)
    seller.meter()
    customer = seller.customer()

    def took(asked: Asked) -> Reply:
        at = int(asked.form["timestamp"])
        try:
            local_answer = seller.event(
                customer, "5", identifier=asked.form["identifier"], timestamp=at
            )
        except Exception as refused:
            return refusal(400, str(refused))
        return Reply(hang=True) if local_answer else ACCEPTED

    time = ToldTime()
    async with (
        FaultServer(choose=took) as server,
        sink_to(server.base_url, time, timeout_s=0.3) as sink,
    ):
        delivery = await sender_to(sink, time).deliver(event(), until=UNTIL)

        assert delivery.attempts[0].answer is Answer.UNKNOWN
        assert delivery.last.answer is Answer.DUPLICATE


async def test_pauses_are_as_long_as_stripe_asks_and_end_with_patience() -> None:
    """Retry-After is never shortened; what goes beyond patience is not waited for."""
    soon = refusal(429, "slow down", code="lock_timeout", retry_after="3")
    late = refusal(429, "slow down", code="lock_timeout", retry_after="60")
    time = ToldTime()
    async with (
        FaultServer(soon, FAULT, late) as server,
        sending_to(server, time) as sender,
    ):
        delivery = await sender.deliver(event(), until=UNTIL)

        assert time.slept == [3 + 0.25, 0.5]  # half the jitter of 0.5 s, then of 1 s
        assert delivery.last.answer is Answer.BUSY
        assert delivery.last.retry_after_s == 60
        assert delivery.doubtful  # the one before was lost: perhaps it was counted


async def test_an_event_that_is_never_answered_ends_by_patience() -> None:
    """A silent Stripe: unknown, as soon as patience is over."""
    time = ToldTime()
    async with (
        FaultServer(Reply(hang=True)) as server,
        sending_to(server, time, patience_s=0.3) as sender,
    ):
        delivery = await sender.deliver(event(), until=UNTIL)

        assert [each.answer for each in delivery.attempts] == [Answer.UNKNOWN]
        assert "no answer within 0.3 s" in delivery.last.message
        assert delivery.last.at == NOW


async def test_a_refusal_after_a_lost_answer_is_doubtful() -> None:
    """The lost one may have been counted: the refusal does not say it was not."""
    no = refusal(400, "No active meter found.")
    async with (
        FaultServer(FAULT, no) as server,
        sending_to(server, ToldTime()) as sender,
    ):
        lost = await sender.deliver(event(), until=UNTIL)
        plain = await sender.deliver(event(2), until=UNTIL)

        assert (lost.last.answer, lost.doubtful) == (Answer.REFUSED, True)
        assert (plain.last.answer, plain.doubtful) == (Answer.REFUSED, False)


async def test_a_locked_customer_slows_nobody_else() -> None:
    """lock_timeout: its events wait, the pace and the others' events do not."""

    def reply(asked: Asked) -> Reply:
        mine = asked.form["payload[stripe_customer_id]"] == "cus_locked"
        return LOCKED if mine else ACCEPTED

    time = ToldTime()
    async with (
        FaultServer(choose=reply) as server,
        sending_to(server, time, at_once=1) as sender,
    ):
        events = [event(n, f"cus_{n}") for n in range(20)]
        events[0] = event(0, "cus_locked")
        found = await asyncio.gather(
            *(sender.deliver(each, until=UNTIL) for each in events)
        )

        assert found[0].last.answer is Answer.BUSY
        assert all(each.last.answer is Answer.ACCEPTED for each in found[1:])
        order = [asked.form["identifier"] for asked in server.asked]
        assert order[:20] == [each.identifier for each in events]
        assert sender.pace.epoch == 0


async def test_one_poisoned_among_many_is_refused_alone() -> None:
    """Each refusal is that event's own; all others are delivered."""

    def reply(asked: Asked) -> Reply:
        bad = int(asked.form["identifier"].removeprefix("id-")) % 10 == 3
        return refusal(400, "No active meter found.") if bad else ACCEPTED

    async with (
        FaultServer(choose=reply) as server,
        sending_to(server, ToldTime()) as sender,
    ):
        found = await asyncio.gather(
            *(sender.deliver(event(n, f"cus_{n}"), until=UNTIL) for n in range(50))
        )

        refused = [n for n, each in enumerate(found) if not each.last.answer.delivered]
        assert refused == [3, 13, 23, 33, 43]
        assert len(server.asked) == 50
        assert sender.busy_lanes == 0


async def test_a_429_halves_the_pace_once_for_all_that_were_on_their_way() -> None:
    """Ten requests at once are put off: one halving, not ten."""
    seen: set[str] = set()

    def reply(asked: Asked) -> Reply:
        identifier = asked.form["identifier"]
        again = identifier in seen
        seen.add(identifier)
        return ACCEPTED if again else BUSY

    async with (
        FaultServer(choose=reply) as server,
        sending_to(server, ToldTime()) as sender,
    ):
        events = [event(n, f"cus_{n}") for n in range(10)]
        found = await asyncio.gather(
            *(sender.deliver(each, until=UNTIL) for each in events)
        )

        assert all(each.last.answer is Answer.ACCEPTED for each in found)
        assert sender.pace.epoch == 1


async def test_a_bad_key_stops_everything_until_a_probe_succeeds() -> None:
    """After a 401 nothing is asked; half a minute later one event tries."""
    time = ToldTime()
    async with (
        FaultServer(NO_KEY, NO_KEY, ACCEPTED) as server,
        sending_to(server, time) as sender,
    ):
        first = await sender.deliver(event(1), until=UNTIL)
        second = await sender.deliver(event(2), until=UNTIL)
        time.seconds += 30
        probe = await sender.deliver(event(3), until=UNTIL)
        after_probe = await sender.deliver(event(4), until=UNTIL)
        asked_while_stopped = len(server.asked)
        time.seconds += 30
        good = await sender.deliver(event(5), until=UNTIL)
        next_one = await sender.deliver(event(6), until=UNTIL)

        stopped = (first, second, probe, after_probe)
        assert {each.last.answer for each in stopped} == {Answer.STOPPED}
        assert "Invalid API Key" in second.last.message
        assert asked_while_stopped == 2  # the first, and the probe
        assert good.last.answer is next_one.last.answer is Answer.ACCEPTED
        assert sender.stopped is None


async def test_nothing_is_sent_after_its_identifier_may_be_forgotten() -> None:
    """At `until` no request is made, and none is repeated that would come after."""
    time = ToldTime()
    async with (
        FaultServer(FAULT, ACCEPTED) as server,
        sending_to(server, time) as sender,
    ):
        until = NOW + timedelta(seconds=0.2)
        lost = await sender.deliver(event(1), until=until)
        time.seconds = 0.2
        late = await sender.deliver(event(2), until=until)

        assert [each.answer for each in lost.attempts] == [Answer.UNKNOWN]
        assert time.slept == []  # the next try would have come too late
        assert (late.last.answer, late.last.code) == (Answer.BUSY, "check_until")
        assert len(server.asked) == 1


async def test_times_are_checked_by_stripes_clock_and_not_by_a_wrong_one_of_ours() -> (
    None
):
    """Our clock is an hour ahead: an event of now waits, and is not refused."""
    stripes = ToldTime(seconds=-3600)
    local = LocalStripe(api_key=KEY, now=stripes.now)
    seller = Seller(local)
    seller.meter()
    customer = seller.customer()
    time = ToldTime()
    async with (
        LocalStripeServer(local) as server,
        sink_to(server.base_url, time) as sink,
    ):
        sender = sender_to(sink, time)
        asked = await sender.deliver(event(1, customer), until=UNTIL)
        known = await sender.deliver(event(2, customer), until=UNTIL)
        just_right = event(3, customer, NOW - timedelta(minutes=55, seconds=2))
        good = await sender.deliver(just_right, until=UNTIL)

        assert sender.skew_s == -3600
        assert asked.last.answer is known.last.answer is Answer.BUSY
        assert "more than 5 minutes in future" in asked.last.message
        assert known.last.code == "check_too_new"
        assert asked.last.retry_after_s == known.last.retry_after_s == 55 * 60
        assert good.last.answer is Answer.ACCEPTED
