"""Events sent by the hundred, by Stripe's v2 stream."""

import asyncio
import json
from datetime import timedelta
from itertools import chain

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
    RESET,
    Asked,
    FaultServer,
    Reply,
    answer,
    refusal,
)

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.model.context import SinkKind
from meterdeck.core.model.delivery import Answer

STREAM = "/v2/billing/meter_event_stream"
EXPIRED = refusal(401, "expired", code="billing_meter_event_session_expired")


def sent(asked: Asked) -> list[str]:
    """Return the identifiers of the events in a request, none of a session's."""
    events = json.loads(asked.body).get("events", [])
    return [each["identifier"] for each in events]


class Streaming:
    """Gives sessions, numbered, and to the stream what `reply` says."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.sessions = 0

    def __call__(self, asked: Asked) -> Reply:
        """Choose the answer to a request."""
        if asked.path != STREAM:
            self.sessions += 1
            return answer({"authentication_token": f"token-{self.sessions}"})
        return self._replies.pop(0) if self._replies else answer({})


async def test_events_reach_stripe_by_the_hundred() -> None:
    """250 at once: three requests under one token, all counted, one clock learned."""
    clock = ToldTime()
    local = LocalStripe(api_key=KEY, now=clock.now)
    requests: list[str] = []

    async def note(method: str, path: str) -> None:
        requests.append(path)

    local.pace = note
    seller = Seller(local)
    meter, customer = seller.meter(), seller.customer()
    async with (
        LocalStripeServer(local) as server,
        sink_to(server.base_url, clock, SinkKind.V2_STREAM) as sink,
    ):
        sender = sender_to(sink, clock)
        found = await asyncio.gather(
            *(sender.deliver(event(n, customer), until=UNTIL) for n in range(250))
        )
        again = await sender.deliver(event(7, customer), until=UNTIL)

        assert {each.last.answer for each in found} == {Answer.ACCEPTED}
        assert again.last.answer is Answer.ACCEPTED  # the stream tells no duplicates
        assert requests.count(STREAM) == 3 + 1
        assert len(requests) == 5
        keys = {each.last.idempotency_key for each in found}
        assert len(keys) == 3
        assert all(key.startswith("mdb-") for key in keys)
        end = int((NOW + timedelta(minutes=1)).timestamp())
        path = f"/v1/billing/meters/{meter}/event_summaries"
        span = {"customer": customer, "start_time": end - 60, "end_time": end}
        total = local.call("GET", path, span)["data"]
        assert [each["aggregated_value"] for each in total] == [5.0 * 250]  # type: ignore[attr-defined]  # JSON


async def test_an_expired_token_is_replaced_once_and_at_once() -> None:
    """The batch goes again under a new token; a second 401 is a bad key."""
    streaming = Streaming(EXPIRED, answer({}), EXPIRED, EXPIRED)
    time = ToldTime()
    async with (
        FaultServer(choose=streaming) as server,
        sink_to(server.base_url, time, SinkKind.V2_STREAM) as sink,
    ):
        (renewed,) = await sink.send([event(1)])
        (bad,) = await sink.send([event(2)])

        assert (renewed.answer, bad.answer) == (Answer.ACCEPTED, Answer.STOPPED)
        tokens = [
            asked.headers["authorization"]
            for asked in server.asked
            if asked.path == STREAM
        ]
        assert tokens == [f"Bearer token-{n}" for n in (1, 2, 2, 3)]
        assert time.slept == []


async def test_a_refused_batch_is_halved_until_the_bad_event_stands_alone() -> None:
    """Its good events are delivered; a duplicate is one only when it was alone."""

    def reply(asked: Asked) -> Reply:
        if asked.path != STREAM:
            return answer({"authentication_token": "token"})
        if "id-77" in sent(asked):
            return refusal(400, "The payload must have a value.", code="bad")
        if "id-5" in sent(asked):
            return refusal(400, "duplicate", code="duplicate_meter_event")
        return answer({})

    time = ToldTime()
    async with (
        FaultServer(choose=reply) as server,
        sink_to(server.base_url, time, SinkKind.V2_STREAM) as sink,
    ):
        attempts = await sink.send([event(n) for n in range(100)])

        refused = [
            n for n, each in enumerate(attempts) if each.answer is Answer.REFUSED
        ]
        assert refused == [77]
        assert attempts[77].code == "bad"
        assert attempts[5].answer is Answer.DUPLICATE
        assert {attempts[n].answer for n in (0, 4, 6, 99)} == {Answer.ACCEPTED}
        assert len(server.asked) < 40
        (body,) = (asked.body for asked in server.asked if sent(asked) == ["id-77"])
        assert json.loads(body)["events"][0]["timestamp"] == "2026-11-25T12:00:00.000Z"


@pytest.mark.parametrize("lost", [RESET, refusal(500, "An error occurred.")])
async def test_a_lost_answer_leaves_all_its_events_unknown_and_they_go_again(
    lost: Reply,
) -> None:
    """Each is sent again with the same identifier, and is accepted then."""
    streaming = Streaming(lost)
    time = ToldTime()
    async with (
        FaultServer(choose=streaming) as server,
        sink_to(server.base_url, time, SinkKind.V2_STREAM) as sink,
    ):
        sender = sender_to(sink, time)
        found = await asyncio.gather(
            *(sender.deliver(event(n), until=UNTIL) for n in range(3))
        )

        for delivery in found:
            answers = [each.answer for each in delivery.attempts]
            assert answers == [Answer.UNKNOWN, Answer.ACCEPTED]
        batches = [sent(each) for each in server.asked if each.path == STREAM]
        assert sorted(batches[0]) == sorted(chain(*batches[1:]))


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        (refusal(500, "An error occurred."), Answer.BUSY),
        (RESET, Answer.BUSY),
        (refusal(401, "Invalid API Key provided"), Answer.STOPPED),
        (refusal(400, "Restricted keys may not."), Answer.STOPPED),
        (answer({"object": "v2.billing.meter_event_session"}), Answer.BUSY),
    ],
)
async def test_without_a_session_nothing_was_sent(reply: Reply, meant: Answer) -> None:
    """No event was on its way: surely not counted, whatever became of the session."""
    async with (
        FaultServer(reply) as server,
        sink_to(server.base_url, ToldTime(), SinkKind.V2_STREAM) as sink,
    ):
        attempts = await sink.send([event(1), event(2)])

        assert [each.answer for each in attempts] == [meant, meant]
        assert len(server.asked) == 1
