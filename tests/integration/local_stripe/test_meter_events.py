"""Meter events: what is taken, what is refused and in which words."""

import asyncio

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import (
    LocalStripe,
    LocalStripeRefusal,
    ReceivedMeterEvent,
)

DAY = 86_400


async def test_an_event_is_echoed_without_an_id(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The answer holds exactly Stripe's seven fields."""
    seller.meter()
    payload = {"stripe_customer_id": seller.customer(), "value": "25", "region": "eu"}

    event = await client.v1.billing.meter_events.create_async(
        {
            "event_name": "api_requests",
            "payload": payload,
            "identifier": "one",
            "timestamp": clock.seconds - 60,
        }
    )

    assert {
        "object": "billing.meter_event",
        "created": clock.seconds,
        "event_name": "api_requests",
        "identifier": "one",
        "livemode": False,
        "payload": payload,
        "timestamp": clock.seconds - 60,
    } == event.to_dict()


async def test_identifier_and_timestamp_have_defaults(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """A missing identifier is made up, different each time; the time is now."""
    seller.meter()
    payload = {"stripe_customer_id": seller.customer(), "value": "1"}

    one, other = [
        await client.v1.billing.meter_events.create_async(
            {"event_name": "api_requests", "payload": payload}
        )
        for _ in range(2)
    ]

    assert one.identifier != other.identifier
    assert len(one.identifier) == 36
    assert clock.seconds == one.timestamp


async def test_a_repeated_identifier_is_refused_for_24_hours(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The refusal has the text and no code; a day later the event counts again."""
    meter_id, customer = seller.meter(), seller.customer()
    seller.event(customer, "5", identifier="same")
    clock.move(hours=23, minutes=59)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.billing.meter_events.create_async(
            {
                "event_name": "api_requests",
                "identifier": "same",
                "payload": {"stripe_customer_id": customer, "value": "5"},
            }
        )
    clock.move(minutes=2)
    seller.event(customer, "5", identifier="same")

    error = refused.value
    assert error.user_message == "An event already exists with identifier same."
    assert (error.http_status, error.code, error.param) == (400, None, None)
    assert (error.headers or {})["stripe-should-retry"] == "false"
    summaries = await client.v1.billing.meters.event_summaries.list_async(
        meter_id,
        {
            "customer": customer,
            "start_time": clock.seconds // 60 * 60 - 2 * DAY,
            "end_time": clock.seconds // 60 * 60 + 60,
        },
    )
    assert [each.aggregated_value for each in summaries.data] == [10.0]


_TAKEN = [
    ("0", {}),
    ("-3", {}),
    ("0.001", {}),
    ("123456789012345", {}),
    ("0.00123456789012345", {}),
    ("5", {"timestamp": 35 * DAY}),
    ("5", {"timestamp": -300}),
]


@pytest.mark.parametrize(("value", "more"), _TAKEN)
def test_values_and_times_up_to_the_limits_are_taken(
    seller: Seller, clock: Clock, value: str, more: dict[str, int]
) -> None:
    """Zero, negative, decimal, 15 digits, 35 days ago, 5 minutes ahead."""
    seller.meter()
    at = {key: clock.seconds - ago for key, ago in more.items()}

    event = seller.event(seller.customer(), value, **at)

    assert {"stripe_customer_id": "", "value": value}.keys() == dict(
        event["payload"]  # type: ignore[call-overload]  # JSON
    ).keys()


_NOW = 1773144000
_REFUSED: list[tuple[dict[str, object], str]] = [
    (
        {"event_name": "storage"},
        'No active meter found for event name "storage".',
    ),
    (
        {"timestamp": _NOW - 35 * DAY - 1},
        "The event timestamp cannot be more than 35 days in past. Expected a timestamp"
        f" greater than or equal to {_NOW - 35 * DAY}.",
    ),
    (
        {"timestamp": _NOW + 301},
        "The event timestamp cannot be more than 5 minutes in future. Expected a"
        f" timestamp less than or equal to {_NOW + 300}.",
    ),
    (
        {"timestamp": _NOW * 1000},
        "This value must be less than or equal to 32503680000.",
    ),
    (
        {"payload": {"value": "1"}},
        "Customer mapping key stripe_customer_id not found in payload.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1"}},
        "Value key value not found in payload.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1", "value": "1e5"}},
        "The value in the event payload must be a number. Received 1e5.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1", "value": "٣"}},
        "The value in the event payload must be a number. Received ٣.",
    ),
    (
        {"payload": {"stripe_customer_id": "cus_1", "value": "1234567890123456"}},
        "The value in the event payload can have at most 15 digits."
        " Received 1234567890123456.",
    ),
    ({"payload": None}, "Missing required param: payload."),
    ({"event_name": None}, "Missing required param: event_name."),
    ({"identifier": "x" * 101}, f"Invalid string: {'x' * 97}...; must be at most 100"),
    ({"colour": "red"}, "Received unknown parameter: colour"),
    ({"timestamp": "noon"}, "Invalid integer: noon"),
    ({"timestamp": "9" * 5000}, f"Invalid integer: {'9' * 97}..."),
]


@pytest.mark.parametrize(("change", "text"), _REFUSED)
def test_a_refused_event_says_why(
    seller: Seller, local: LocalStripe, change: dict[str, object], text: str
) -> None:
    """Each rule has its text, and a refused event counts nothing."""
    seller.meter()
    received: list[ReceivedMeterEvent] = []
    local.on_meter_event = received.append
    sent = {
        "event_name": "api_requests",
        "payload": {"stripe_customer_id": "cus_1", "value": "1"},
        **change,
    }

    with pytest.raises(LocalStripeRefusal) as refused:
        local.call("POST", "/v1/billing/meter_events", sent)

    assert refused.value.message.startswith(text)
    assert (refused.value.status, refused.value.kind) == (400, "invalid_request_error")
    assert [(False, refused.value.message)] == [
        (each.accepted, each.message) for each in received
    ]


async def test_the_sandbox_is_told_of_each_event(
    client: stripe.StripeClient, seller: Seller, local: LocalStripe, clock: Clock
) -> None:
    """Who sent what, and whether it was taken."""
    seller.meter()
    received: list[ReceivedMeterEvent] = []
    local.on_meter_event = received.append
    customer = seller.customer()

    event = await client.v1.billing.meter_events.create_async(
        {
            "event_name": "api_requests",
            "identifier": "told",
            "payload": {"stripe_customer_id": customer, "value": "2.5"},
        }
    )

    assert event.last_response is not None
    assert [
        ReceivedMeterEvent(
            at=clock.at,
            event_name="api_requests",
            identifier="told",
            customer=customer,
            value="2.5",
            timestamp=clock.at,
            accepted=True,
            message="",
            user_agent="Stripe/v1 PythonBindings/16.1.0",
            request_id=event.last_response.request_id or "",
        )
    ] == received


async def test_an_unknown_customer_is_accepted_and_reported_later(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The event is answered 200, counts for nobody, and shows as a thin event."""
    meter_id = seller.meter()
    options: stripe.RequestOptions = {"idempotency_key": "key-of-the-request"}

    await client.v1.billing.meter_events.create_async(
        {
            "event_name": "api_requests",
            "payload": {"stripe_customer_id": "cus_nobody", "value": "1"},
        },
        options,
    )
    early = await client.v2.core.events.list_async()
    clock.move(seconds=12)
    late = await client.v2.core.events.list_async()

    assert early.data == []
    [event] = late.data
    whole = await client.v2.core.events.retrieve_async(event.id)
    assert whole.type == "v1.billing.meter.error_report_triggered"
    report = whole.to_dict()
    assert meter_id == report["related_object"]["id"]
    assert report["data"]["reason"] == {
        "error_count": 1,
        "error_types": [
            {
                "code": "meter_event_customer_not_found",
                "error_count": 1,
                "sample_errors": [
                    {
                        "error_message": "Customer cus_nobody not found.",
                        "request": {"identifier": "key-of-the-request"},
                    }
                ],
            }
        ],
    }


async def test_a_hundred_events_at_once_all_count(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """Concurrent requests of one client lose nothing."""
    meter_id, customer = seller.meter(), seller.customer()

    await asyncio.gather(
        *(
            client.v1.billing.meter_events.create_async(
                {
                    "event_name": "api_requests",
                    "identifier": f"n{number}",
                    "payload": {"stripe_customer_id": customer, "value": "1"},
                }
            )
            for number in range(100)
        )
    )

    summaries = await client.v1.billing.meters.event_summaries.list_async(
        meter_id,
        {
            "customer": customer,
            "start_time": clock.seconds - 60,
            "end_time": clock.seconds + 60,
        },
    )
    assert [each.aggregated_value for each in summaries.data] == [100.0]
