"""Idempotency keys: replay, conflict, in flight, what is not stored."""

import asyncio
from typing import Any

import aiohttp
import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, ReceivedMeterEvent


async def test_the_same_key_replays_the_first_answer(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller
) -> None:
    """One customer is made; the second answer names the first request."""
    params: stripe.params.CustomerCreateParams = {"name": "Once"}

    one = await client.v1.customers.create_async(params, {"idempotency_key": "k"})
    other = await client.v1.customers.create_async(params, {"idempotency_key": "k"})

    assert one == other
    assert one.last_response is not None
    assert other.last_response is not None
    first, again = one.last_response.headers, other.last_response.headers
    assert again["idempotent-replayed"] == "true"
    assert first["request-id"] == again["original-request"] != again["request-id"]
    assert "idempotent-replayed" not in first
    assert len((await client.v1.customers.list_async()).data) == 1


async def test_an_event_sent_twice_with_one_key_counts_once(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """The replay is a 200, not a duplicate, and is not told again."""
    meter, customer = seller.meter(), seller.customer()
    received: list[ReceivedMeterEvent] = []
    local.on_meter_event = received.append

    for _ in range(2):
        await client.v1.billing.meter_events.create_async(
            {
                "event_name": "api_requests",
                "identifier": "one",
                "payload": {"stripe_customer_id": customer, "value": "5"},
            },
            {"idempotency_key": "k"},
        )

    summaries = await client.v1.billing.meters.event_summaries.list_async(
        meter,
        {
            "customer": customer,
            "start_time": clock.seconds,
            "end_time": clock.seconds + 60,
        },
    )
    assert [each.aggregated_value for each in summaries.data] == [5.0]
    assert len(received) == 1


async def test_a_key_belongs_to_its_parameters(client: stripe.StripeClient) -> None:
    """Another body, or another path, under the same key is an idempotency error."""
    await client.v1.customers.create_async({"name": "A"}, {"idempotency_key": "k"})

    for create in (client.v1.customers.create_async, client.v1.products.create_async):
        with pytest.raises(stripe.IdempotencyError) as refused:
            await create({"name": "B"}, {"idempotency_key": "k"})
        assert refused.value.user_message == (
            "Keys for idempotent requests can only be used with the same parameters"
            " they were first used with. Try using a key other than 'k' if you meant to"
            " execute a different request."
        )
        assert refused.value.http_status == 400


async def test_the_order_of_parameters_does_not_matter(
    http: aiohttp.ClientSession,
) -> None:
    """Stripe compares parameters, not bodies."""
    answers = []
    for form in ("name=A&metadata[b]=c", "metadata[b]=c&name=A"):
        headers = {
            "Idempotency-Key": "k",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with http.post("/v1/customers", data=form, headers=headers) as response:
            answers.append(await response.json())

    assert answers[0] == answers[1]
    assert answers[0]["metadata"] == {"b": "c"}


async def test_v2_runs_a_failed_request_again(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """Under the same key it may go well; then it is replayed, for 30 days."""
    customer = seller.customer()
    payload = {"stripe_customer_id": customer, "value": "1"}
    event = {"event_name": "api_requests", "payload": payload}
    create: Any = client.v2.billing.meter_events.create_async
    key = {"idempotency_key": "k"}
    with pytest.raises(stripe.InvalidRequestError):
        await create(event, key)
    seller.meter()

    made = await create(event, key)
    clock.move(days=29)
    again = await create(event, key)

    assert made.identifier == again.identifier


async def test_a_failed_validation_is_not_stored(
    client: stripe.StripeClient,
) -> None:
    """The same key works once the request is right."""
    options: stripe.RequestOptions = {"idempotency_key": "k"}
    with pytest.raises(
        stripe.InvalidRequestError, match="Missing required param: name"
    ):
        await client.v1.products.create_async({}, options)  # type: ignore[typeddict-item]  # the point

    product = await client.v1.products.create_async({"name": "Right"}, options)

    assert product.name == "Right"


async def test_a_refusal_that_ran_is_stored(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """A duplicate stays a duplicate under its key, also when the window is over."""
    seller.meter()
    customer = seller.customer()
    seller.event(customer, "1", identifier="dup")
    event: stripe.params.billing.MeterEventCreateParams = {
        "event_name": "api_requests",
        "identifier": "dup",
        "payload": {"stripe_customer_id": customer, "value": "1"},
    }

    clock.move(hours=23)
    for hours in (0, 2):
        clock.move(hours=hours)
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            await client.v1.billing.meter_events.create_async(
                event, {"idempotency_key": "k"}
            )
    clock.move(hours=24)
    await client.v1.billing.meter_events.create_async(event, {"idempotency_key": "k"})


async def test_a_key_in_flight_is_a_conflict(
    http: aiohttp.ClientSession, local: LocalStripe
) -> None:
    """While the first request runs a second gets 409, and then the stored answer."""
    running, finish = asyncio.Event(), asyncio.Event()

    async def pace(method: str, path: str) -> None:
        assert (method, path) == ("POST", "/v1/customers")
        running.set()
        await finish.wait()

    async def send() -> tuple[int, dict[str, dict[str, str]]]:
        form, key = {"name": "Slow"}, {"Idempotency-Key": "k"}
        async with http.post("/v1/customers", data=form, headers=key) as response:
            return response.status, await response.json()

    local.pace = pace
    first = asyncio.create_task(send())
    await running.wait()
    status, body = await send()
    finish.set()

    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert body["error"]["message"] == (
        "There is currently another in-progress request using this Idempotent Key (that"
        " probably means you submitted twice, and the other request is still going"
        " through): k. Please try again later."
    )
    assert await first == await send()


async def test_a_key_has_at_most_255_characters(client: stripe.StripeClient) -> None:
    """256 are refused."""
    await client.v1.customers.create_async({}, {"idempotency_key": "k" * 255})

    with pytest.raises(stripe.InvalidRequestError, match="at most 255"):
        await client.v1.customers.create_async({}, {"idempotency_key": "k" * 256})
