"""What the gateway makes of everything that can go wrong on the way to Stripe."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.support.stripe_faults import (
    HANG,
    HTML,
    RESET,
    FaultServer,
    Reply,
    answer,
    page,
    refusal,
)

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import (
    ConfigError,
    NotFound,
    StripeRefused,
    StripeUnreachable,
)
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.model.usage import TenantStatus

KEY = "sk_test_plantedsecret"
EVENT = MeterEvent(
    "api_requests", "id-1", "cus_1", "1.5", datetime(2026, 11, 1, tzinfo=UTC)
)
ACCEPTED = answer({"object": "billing.meter_event", "livemode": False})
BUSY = refusal(429, "Testmode request rate limit exceeded.", code="rate_limit")
LOCKED = refusal(429, "This object can't be accessed.", code="lock_timeout")
FAULT = refusal(500, "An unknown error occurred.")
CUT = Reply(body=b'{"object"', cut=True)
ELSEWHERE = Reply(302, b"", {"location": "https://example.com/"})


def gateway_to(base_url: str, *, timeout_s: float = 10.0) -> StripeGateway:
    """Return a gateway to a server of this test."""
    options = StripeOptions(Secret(KEY), api_base=base_url, timeout_s=timeout_s)
    return StripeGateway(options, Mode.TEST)


@asynccontextmanager
async def talking_to(
    *replies: Reply, timeout_s: float = 10.0
) -> AsyncIterator[tuple[StripeGateway, FaultServer]]:
    """Run a server that gives these replies, and a gateway to it."""
    async with FaultServer(*replies) as server:
        gateway = gateway_to(server.base_url, timeout_s=timeout_s)
        try:
            yield gateway, server
        finally:
            await gateway.close()


@pytest.mark.parametrize("fault", [RESET, CUT, BUSY, LOCKED, FAULT, HTML, ELSEWHERE])
async def test_a_read_is_tried_again_when_stripe_stumbles_once(fault: Reply) -> None:
    """One reset, torn body, 429, 500, foreign page or redirect: the read succeeds."""
    async with talking_to(fault, page()) as (gateway, server):
        assert await gateway.meters() == ()

        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RESET, "closed the connection"),
        (CUT, "closed the connection"),
        (BUSY, "slow down (429): Testmode request rate limit exceeded."),
        (FAULT, "fault (500): An unknown error"),
        (HTML, "not Stripe's (200)"),
        (answer([1, 2]), "not Stripe's"),
        (answer({"error": ["odd"]}, 500), "not Stripe's"),
    ],
)
async def test_a_read_gives_up_after_three_tries(fault: Reply, words: str) -> None:
    """The third failure in a row is reported, in a sentence that says what it was."""
    async with talking_to(fault) as (gateway, server):
        with pytest.raises(StripeUnreachable) as raised:
            await gateway.meters()

        assert words in str(raised.value)
        # aiohttp repeats a GET of its own accord after a reset, a POST never.
        assert len(server.asked) == (6 if fault.reset else 3)


async def test_a_read_of_a_silent_server_ends_by_its_deadline() -> None:
    """A server that accepts and never answers costs three deadlines, no more."""
    async with talking_to(HANG, timeout_s=0.5) as (gateway, server):
        with pytest.raises(StripeUnreachable, match="did not answer in time"):
            await gateway.ping()

        assert len(server.asked) == 3


async def test_a_read_waits_as_long_as_stripe_asks() -> None:
    """Retry-After is honoured: the next try comes no earlier."""
    wait = refusal(429, "slow down", code="rate_limit", retry_after="1")
    async with talking_to(wait, page()) as (gateway, server):
        await gateway.meters()

        first, second = server.asked
        assert second.at - first.at >= 1.0


async def test_a_read_does_not_wait_for_minutes() -> None:
    """A Retry-After of ten minutes is reported at once instead of waited for."""
    wait = refusal(429, "slow down", code="rate_limit", retry_after="600")
    async with talking_to(wait) as (gateway, server):
        with pytest.raises(StripeUnreachable):
            await gateway.meters()

        assert len(server.asked) == 1


async def test_a_refusal_of_a_read_is_not_repeated() -> None:
    """Stripe's no is final: its words, status and request id come with the error."""
    no = refusal(401, "Invalid API Key provided: sk_test_****cret", request_id="req_7")
    async with talking_to(no) as (gateway, server):
        with pytest.raises(StripeRefused, match="Invalid API Key") as raised:
            await gateway.meters()

        assert raised.value.status == 401
        assert raised.value.request_id == "req_7"
        assert len(server.asked) == 1
        assert "plantedsecret" not in repr(raised.getrepr(showlocals=False))


async def test_a_redirect_is_not_followed() -> None:
    """The key goes to the configured address and nowhere else."""
    async with FaultServer(page()) as elsewhere:
        moved = Reply(302, b"", {"location": f"{elsewhere.base_url}/v1/x"})
        async with talking_to(moved) as (gateway, _):
            with pytest.raises(StripeUnreachable, match="not Stripe's"):
                await gateway.ping()
            sent = await gateway.send_meter_event(EVENT)

        assert sent.outcome is EventOutcome.UNKNOWN
        assert elsewhere.asked == []


async def test_an_unknown_id_is_not_found() -> None:
    """resource_missing becomes NotFound, with Stripe's words."""
    no = refusal(404, "No such customer: 'cus_x'", code="resource_missing")
    async with talking_to(no) as (gateway, _):
        with pytest.raises(NotFound, match="No such customer"):
            await gateway.customer("cus_x")


async def test_an_id_cannot_lead_to_another_address() -> None:
    """An id with slashes and dots is one part of the path, quoted."""
    async with talking_to(answer({"id": "x"})) as (gateway, server):
        await gateway.customer("../meters?limit=1")

        assert server.asked[0].path.startswith("/v1/customers/..%2Fmeters%3Flimit")


async def test_data_of_the_other_mode_is_refused() -> None:
    """A test context does not show live data, not even inside a list."""
    customer = {"id": "cus_1", "object": "customer", "livemode": True}
    async with talking_to(page(customer), answer(customer)) as (gateway, _):
        with pytest.raises(StripeRefused, match="live data in a context whose mode"):
            [found async for found in gateway.customers()]
        with pytest.raises(StripeRefused, match="live data"):
            await gateway.customer("cus_1")


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("sk_live_1", Mode.TEST),
        ("rk_live_1", Mode.SANDBOX),
        ("sk_test_1", Mode.LIVE),
        ("rk_test_1", Mode.LIVE),
    ],
)
def test_a_key_of_the_other_mode_is_refused_before_anything_is_sent(
    key: str, mode: Mode
) -> None:
    """Live keys work in live contexts only, test keys in the others only."""
    with pytest.raises(ConfigError, match=r"stripe\.api_key: is a (live|test) key"):
        StripeGateway(StripeOptions(Secret(key)), mode)


@pytest.mark.parametrize("lost", [RESET, CUT, FAULT, HTML, refusal(503, "down")])
async def test_a_lost_answer_to_a_meter_event_is_unknown(lost: Reply) -> None:
    """Sent once; whether Stripe counted it is not known and not guessed."""
    async with talking_to(lost) as (gateway, server):
        delivered = await gateway.send_meter_event(EVENT)

        assert delivered.outcome is EventOutcome.UNKNOWN
        assert delivered.message
        assert len(server.asked) == 1


async def test_a_meter_event_nobody_answers_is_unknown_after_the_deadline() -> None:
    """A hanging server costs one deadline and leaves the outcome open."""
    async with talking_to(HANG, timeout_s=0.5) as (gateway, server):
        delivered = await gateway.send_meter_event(EVENT)

        assert delivered.outcome is EventOutcome.UNKNOWN
        assert len(server.asked) == 1


@pytest.mark.parametrize("later", [BUSY, LOCKED, refusal(409, "in progress")])
async def test_a_meter_event_that_was_put_off_is_an_error(later: Reply) -> None:
    """429 and 409: surely not counted, so the caller may simply send it later."""
    async with talking_to(later) as (gateway, server):
        with pytest.raises(StripeUnreachable, match="slow down"):
            await gateway.send_meter_event(EVENT)

        assert len(server.asked) == 1


async def test_a_meter_event_without_a_connection_was_not_sent() -> None:
    """Nobody listens: an error that says so, not an unknown outcome."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gateway = gateway_to(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(StripeUnreachable, match="cannot be reached"):
            await gateway.send_meter_event(EVENT)
        await gateway.close()


async def test_a_refused_meter_event_carries_stripes_words() -> None:
    """A plain 400 is REFUSED, with the text a person can act on."""
    text = 'No active meter found for event name "api_requests".'
    async with talking_to(refusal(400, text, request_id="req_9")) as (gateway, _):
        delivered = await gateway.send_meter_event(EVENT)

        assert delivered.outcome is EventOutcome.REFUSED
        assert delivered.message == text
        assert delivered.request_id == "req_9"


@pytest.mark.parametrize(
    ("identifier", "outcome"),
    [("id-1", EventOutcome.DUPLICATE), ("id-12", EventOutcome.REFUSED)],
)
async def test_only_our_own_identifier_counts_as_delivered_before(
    identifier: str, outcome: EventOutcome
) -> None:
    """The duplicate's text has no code; it must name exactly what was sent."""
    text = f"An event already exists with identifier {identifier}."
    async with talking_to(refusal(400, text)) as (gateway, _):
        assert (await gateway.send_meter_event(EVENT)).outcome is outcome


async def test_every_attempt_has_the_same_identifier_and_its_own_key() -> None:
    """Stripe replays a stored 500 to an old Idempotency-Key, so each is new."""
    async with talking_to(FAULT, ACCEPTED) as (gateway, server):
        await gateway.send_meter_event(EVENT)
        delivered = await gateway.send_meter_event(EVENT)

        first, second = server.asked
        assert delivered.outcome is EventOutcome.ACCEPTED
        assert delivered.request_id == "req_test"
        assert first.form == second.form
        assert first.form["identifier"] == "id-1"
        assert first.form["payload[value]"] == "1.5"
        assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
        assert "x-stripe-client-telemetry" not in second.headers
        assert "telemetry_id" not in second.headers["x-stripe-client-user-agent"]


async def test_summaries_are_paged_by_hand() -> None:
    """Stripe writes a placeholder into the list's url, which is never followed."""
    first = {"id": "mtrusg_2", "aggregated_value": 610000.25}
    second = {"id": "mtrusg_1", "aggregated_value": 5}
    async with talking_to(page(first, has_more=True), page(second)) as (
        gateway,
        server,
    ):
        start, end = (
            datetime(2026, 11, 1, tzinfo=UTC),
            datetime(2026, 12, 1, tzinfo=UTC),
        )
        total = await gateway.summary("mtr_1", "cus_1", start, end, "day")

        assert total == Decimal("610005.25")
        assert server.asked[1].path == "/v1/billing/meters/mtr_1/event_summaries"
        assert server.asked[1].form["starting_after"] == "mtrusg_2"
        assert server.asked[1].form["value_grouping_window"] == "day"


async def test_a_subscription_with_many_items_is_read_whole() -> None:
    """Stripe embeds the first items only; the rest is fetched."""
    item = {"id": "si_1", "price": {"id": "price_1"}}
    other = {"id": "si_2", "price": {"id": "price_2", "product": {"id": "prod_2"}}}
    embedded = {"object": "list", "data": [item], "has_more": True}
    subscription = {"id": "sub_1", "customer": "cus_1", "status": "odd"}
    async with talking_to(
        answer({**subscription, "items": embedded}), page(item, other)
    ) as (gateway, server):
        found = await gateway.subscription("sub_1")

        assert [item.price_id for item in found.items] == ["price_1", "price_2"]
        assert found.items[1].product_id == "prod_2"
        assert server.asked[1].form["subscription"] == "sub_1"


async def test_half_a_surrogate_pair_becomes_a_replacement() -> None:
    """JSON can spell what has no UTF-8 form; everything read can be stored."""
    name, tenant = "a\ud800b", "\udfff"
    raw = {"id": "cus_1", "name": name, "metadata": {"tenant": tenant}}
    async with talking_to(answer(raw)) as (gateway, _):
        found = await gateway.customer("cus_1")

        assert (found.name, found.metadata) == ("a?b", {"tenant": "?"})


@pytest.mark.parametrize(
    "raw", [{}, {"id": 7}, {"id": None, "name": []}, {"object": "list", "data": {}}]
)
async def test_an_object_without_an_id_is_not_stripes(raw: dict[str, object]) -> None:
    """What cannot be one of Stripe's objects is an error, never half a customer."""
    async with talking_to(answer(raw)) as (gateway, _):
        with pytest.raises(StripeUnreachable, match="an object without id"):
            await gateway.customer("cus_1")


async def test_fields_of_the_wrong_type_are_taken_for_missing() -> None:
    """A strange subscription is read as far as it makes sense, and never crashes."""
    item = {"price": {"id": 1, "recurring": []}, "current_period_end": "soon"}
    raw = {
        "id": "sub_1",
        "status": ["active"],
        "customer": {"id": "cus_1"},
        "items": {"data": [item, 7, None]},
        "metadata": "none",
        "created": 10**18,
        "billing_cycle_anchor": True,
    }
    async with talking_to(answer(raw)) as (gateway, _):
        found = await gateway.subscription("sub_1")

        assert found.customer_id == "cus_1"
        assert found.status is TenantStatus.UNKNOWN
        assert len(found.items) == 1
        assert found.items[0].period_end is None
        assert (found.created, found.billing_cycle_anchor) == (None, None)


async def test_latency_is_that_of_the_last_answer() -> None:
    """None before the first answer, then the round trip in milliseconds."""
    async with talking_to(page()) as (gateway, _):
        assert gateway.latency_ms is None

        round_trip = await gateway.ping()

        assert round_trip > 0
        assert gateway.latency_ms == round_trip


@pytest.mark.parametrize(
    "foreign",
    [
        answer({"status": "ok"}),
        answer({"object": "billing.meter_event", "identifier": "another"}),
        answer({"object": "billing.meter"}),
        Reply(body=b'{"a":' * 5_000),
    ],
)
async def test_a_200_that_is_not_the_event_that_was_sent_is_no_delivery(
    foreign: Reply,
) -> None:
    """A proxy's JSON is no word of Stripe's: nobody knows whether it was counted."""
    async with talking_to(foreign) as (gateway, _):
        delivered = await gateway.send_meter_event(EVENT)

        assert delivered.outcome is EventOutcome.UNKNOWN
