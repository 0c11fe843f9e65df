"""The v2 API: single events, sessions, the stream, adjustments."""

import pytest
import stripe
from stripe.params.v2.billing import MeterEventStreamCreateParamsEvent
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, ReceivedMeterEvent


async def _total(
    client: stripe.StripeClient, meter: str, customer: str, clock: Clock
) -> float:
    start = clock.seconds // 60 * 60
    summaries = await client.v1.billing.meters.event_summaries.list_async(
        meter,
        {"customer": customer, "start_time": start - 3600, "end_time": start + 60},
    )
    return sum(each.aggregated_value for each in summaries.data)


async def test_a_v2_event_counts_like_a_v1_event(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """JSON, RFC 3339 with milliseconds, no id."""
    meter, customer = seller.meter(), seller.customer()
    payload = {"stripe_customer_id": customer, "value": "25"}

    event = await client.v2.billing.meter_events.create_async(
        {
            "event_name": "api_requests",
            "identifier": "v2",
            "payload": payload,
            "timestamp": "2026-03-10T11:59:30.500+00:00",
        }
    )

    assert {
        "object": "v2.billing.meter_event",
        "created": "2026-03-10T12:00:00.000Z",
        "event_name": "api_requests",
        "identifier": "v2",
        "livemode": False,
        "payload": payload,
        "timestamp": "2026-03-10T11:59:30.500Z",
    } == event.to_dict()
    assert await _total(client, meter, customer, clock) == 25


def _event(
    event_name: str, payload: dict[str, str]
) -> MeterEventStreamCreateParamsEvent:
    return {"event_name": event_name, "payload": payload}


_REFUSED = [
    ({"event_name": "nope"}, "no_meter", "A meter must exist to submit events."),
    (
        {"event_name": "off"},
        "archived_meter",
        "The meter must be Active to submit events.",
    ),
    (
        {"identifier": "used"},
        "duplicate_meter_event",
        "A meter event with a duplicate identifier has already been submitted.",
    ),
    (
        {"payload": {"value": "1"}},
        "payload_no_customer_defined",
        "The payload must have a reference to the customer.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1"}},
        "payload_no_value_defined",
        "The payload must have a value.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1", "value": "x"}},
        "payload_invalid_value",
        "The value must be a positive integer.",
    ),
    (
        {"timestamp": "yesterday"},
        "invalid_timestamp",
        "The timestamp must be an RFC 3339 date and time. Received yesterday.",
    ),
]


@pytest.mark.parametrize(("change", "code", "text"), _REFUSED)
async def test_a_refused_v2_event_has_its_code(
    *,
    client: stripe.StripeClient,
    local: LocalStripe,
    seller: Seller,
    change: dict[str, object],
    code: str,
    text: str,
) -> None:
    """The documented code and message for each reason."""
    seller.meter()
    off = seller.meter("off")
    local.call("POST", f"/v1/billing/meters/{off}/deactivate", {})
    seller.event(seller.customer(), "1", identifier="used")
    event = {
        "event_name": "api_requests",
        "payload": {"stripe_customer_id": "cus_1", "value": "1"},
        **change,
    }

    with pytest.raises(stripe.StripeError) as refused:
        await client.raw_request_async(
            "post",
            "/v2/billing/meter_events",
            **event,
        )

    assert refused.value.json_body is not None
    body = refused.value.json_body
    assert isinstance(body, dict)
    error = body["error"]
    assert (400, code, text) == (
        refused.value.http_status,
        error["code"],
        error["message"],
    )


async def test_the_stream_takes_a_hundred_events(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """A session's token authorises it; bad events are only reported later."""
    meter, customer = seller.meter(), seller.customer()
    received: list[ReceivedMeterEvent] = []
    local.on_meter_event = received.append
    session = await client.v2.billing.meter_event_session.create_async()
    options: stripe.RequestOptions = {"api_key": session.authentication_token}
    good = {"stripe_customer_id": customer, "value": "1"}

    await client.v2.billing.meter_event_stream.create_async(
        {
            "events": [
                *[_event("api_requests", good)] * 98,
                _event("nope", good),
                _event("api_requests", {"value": "1"}),
            ]
        },
        options,
    )
    clock.move(seconds=12)
    events = await client.v2.core.events.list_async()

    assert session.expires_at == "2026-03-10T12:15:00.000Z"
    assert await _total(client, meter, customer, clock) == 98
    assert [
        sum(each.accepted is accepted for each in received)
        for accepted in (True, False)
    ] == [98, 2]
    assert {
        "v1.billing.meter.no_meter_found",
        "v1.billing.meter.error_report_triggered",
    } == {event.type for event in events.data}


async def test_a_hundred_and_one_events_are_refused(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The whole request counts nothing."""
    meter, customer = seller.meter(), seller.customer()
    session = await client.v2.billing.meter_event_session.create_async()
    payload = {"stripe_customer_id": customer, "value": "1"}

    with pytest.raises(stripe.StripeError) as refused:
        await client.v2.billing.meter_event_stream.create_async(
            {
                "events": [
                    {"event_name": "api_requests", "payload": payload}
                    for _ in range(101)
                ]
            },
            {"api_key": session.authentication_token},
        )

    assert refused.value.http_status == 400
    assert await _total(client, meter, customer, clock) == 0


async def test_a_session_ends_after_15_minutes(
    client: stripe.StripeClient, clock: Clock
) -> None:
    """Then, and with the API key itself, the stream answers 401."""
    session = await client.v2.billing.meter_event_session.create_async()
    clock.move(minutes=15)

    for key in (session.authentication_token, "sk_test_sandbox"):
        with pytest.raises(stripe.TemporarySessionExpiredError) as refused:
            await client.v2.billing.meter_event_stream.create_async(
                {"events": []}, {"api_key": key}
            )
        assert "The temporary session token has expired." in str(refused.value)


async def test_a_v2_adjustment_has_an_id(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """Unlike v1's, and the event is taken back."""
    meter, customer = seller.meter(), seller.customer()
    seller.event(customer, "4", identifier="wrong")

    adjustment = await client.v2.billing.meter_event_adjustments.create_async(
        {
            "event_name": "api_requests",
            "type": "cancel",
            "cancel": {"identifier": "wrong"},
        }
    )

    assert adjustment.id
    assert (adjustment.status, adjustment.cancel.identifier) == ("pending", "wrong")
    assert await _total(client, meter, customer, clock) == 0
