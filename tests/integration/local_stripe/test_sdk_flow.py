"""The official Python SDK, synchronous and asynchronous, from a meter to a preview."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import stripe
from tests.support.limited_stripe import limited_stripe

from meterdeck.core.local_stripe import LocalStripeServer

KEY = "sk_test_sandbox"
_DAY = 86_400
# What `_flow` is given: calls one method of a service, whichever way.
Ask = Callable[..., Awaitable[Any]]


async def _at_once(service: Any, name: str, *args: Any) -> Any:
    """Call the synchronous method, in a thread of its own."""
    return await asyncio.to_thread(getattr(service, name), *args)


async def _async(service: Any, name: str, *args: Any) -> Any:
    """Await the asynchronous method."""
    return await getattr(service, f"{name}_async")(*args)


async def _all_at_once(page: Any) -> list[Any]:
    return await asyncio.to_thread(lambda: list(page.auto_paging_iter()))


async def _all_async(page: Any) -> list[Any]:
    return [each async for each in page.auto_paging_iter()]


@asynccontextmanager
async def _client(transport: Any) -> AsyncIterator[Any]:
    async with LocalStripeServer(limited_stripe(KEY)) as server:
        base = server.base_url
        yield stripe.StripeClient(
            KEY,
            base_addresses={"api": base, "meter_events": base},
            http_client=transport,
        )
        if not isinstance(transport, stripe.RequestsClient):
            await transport.close_async()


# The SDK calls httpx in a way that httpx is about to give up.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.parametrize(
    ("transport", "ask", "all_of"),
    [
        (stripe.RequestsClient, _at_once, _all_at_once),
        (stripe.HTTPXClient, _async, _all_async),
        (stripe.AIOHTTPClient, _async, _all_async),
    ],
    ids=["requests", "httpx", "aiohttp"],
)
async def test_the_whole_flow_by_the_python_sdk(
    transport: Any, ask: Ask, all_of: Ask
) -> None:
    """Its objects hold what Stripe's would, whichever transport brings them."""
    async with _client(transport()) as client:
        v1, v2 = client.v1, client.v2
        meter = await _meter(v1, ask, all_of)
        tiered = await _tiered_price(v1, ask, meter)
        subscription = await _subscription(v1, ask, all_of, tiered)
        await _usage(v1, v2, ask, subscription)
        await _summaries(v1, ask, all_of, meter, subscription)
        await _errors(v1, v2, ask, subscription.customer)
        await _late_error(v2, ask, all_of)
        preview = await ask(
            v1.invoices, "create_preview", {"subscription": subscription.id}
        )

        assert [each.quantity for each in preview.lines.data] == [1000, 1000]
        # The first 1000 at a cent, the second at half a cent.
        assert preview.total == 1500
        await _clock(v1, ask, all_of, tiered)


async def _meter(v1: Any, ask: Ask, all_of: Ask) -> Any:
    made = [
        await ask(
            v1.billing.meters,
            "create",
            {
                "display_name": name,
                "event_name": name,
                "default_aggregation": {"formula": "sum"},
            },
        )
        for name in ("api_requests", "bytes")
    ]
    meter, other = made
    closed = await ask(v1.billing.meters, "deactivate", other.id)
    listed = await all_of(await ask(v1.billing.meters, "list", {"limit": 1}))

    assert isinstance(meter, stripe.billing.Meter)
    assert meter.customer_mapping.event_payload_key == "stripe_customer_id"
    assert meter.event_time_window is None
    assert closed.status == "inactive"
    assert closed.status_transitions.deactivated_at is not None
    assert [other.id, meter.id] == [each.id for each in listed]
    return meter


async def _tiered_price(v1: Any, ask: Ask, meter: Any) -> Any:
    product = await ask(v1.products, "create", {"name": "Platform"})
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter.id}
    tiered = await ask(
        v1.prices,
        "create",
        {
            "product": product.id,
            "currency": "usd",
            "recurring": recurring,
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 1000, "unit_amount": 1},
                {"up_to": "inf", "unit_amount_decimal": Decimal("0.5")},
            ],
            "expand": ["tiers"],
        },
    )

    assert [each.up_to for each in tiered.tiers] == [1000, None]
    assert [each.unit_amount for each in tiered.tiers] == [1, None]
    assert [Decimal(1), Decimal("0.5")] == [
        each.unit_amount_decimal for each in tiered.tiers
    ]
    assert tiered.recurring.meter == meter.id
    return tiered


async def _subscription(v1: Any, ask: Ask, all_of: Ask, price: Any) -> Any:
    customer = await ask(v1.customers, "create", {"name": "Acme"})
    subscription = await ask(
        v1.subscriptions,
        "create",
        {"customer": customer.id, "items": [{"price": price.id}]},
    )
    [item] = subscription.items.data
    page = await ask(v1.subscriptions, "list", {"customer": customer.id})

    assert item.price.id == price.id
    assert item.current_period_start < item.current_period_end
    assert not hasattr(subscription, "current_period_end")
    assert [subscription.id] == [each.id for each in await all_of(page)]
    return subscription


async def _usage(v1: Any, v2: Any, ask: Ask, subscription: Any) -> None:
    payload = {"stripe_customer_id": subscription.customer, "value": "1000"}
    event = {"event_name": "api_requests", "payload": payload}
    hour_ago = {"timestamp": subscription.created - 3600}
    sent = await ask(
        v1.billing.meter_events, "create", {**event, **hour_ago, "identifier": "one"}
    )
    second = await ask(v2.billing.meter_events, "create", event)
    session = await ask(v2.billing.meter_event_session, "create")
    nobody = {"event_name": "api_requests", "payload": {"value": "1"}}
    nothing = await ask(
        v2.billing.meter_event_stream,
        "create",
        {"events": [event, {**event, "identifier": "wrong"}, nobody]},
        {"api_key": session.authentication_token},
    )
    adjusted = await ask(
        v1.billing.meter_event_adjustments,
        "create",
        {
            "event_name": "api_requests",
            "type": "cancel",
            "cancel": {"identifier": "wrong"},
        },
    )

    assert sent.identifier == "one"
    assert payload == sent.payload.to_dict()
    assert isinstance(second, stripe.v2.billing.MeterEvent)
    assert len(second.identifier) == len("01234567-0123-0123-0123-0123456789ab")
    assert nothing is None
    assert adjusted.status == "pending"


async def _summaries(
    v1: Any, ask: Ask, all_of: Ask, meter: Any, subscription: Any
) -> None:
    day = subscription.created // _DAY * _DAY
    asked = {
        "customer": subscription.customer,
        "start_time": day - _DAY,
        "end_time": day + _DAY,
        "value_grouping_window": "hour",
        "limit": 1,
    }
    page = await ask(v1.billing.meters.event_summaries, "list", meter.id, asked)

    # Paging by itself, the SDK asks for the placeholder in the list's `url`.
    values = [each.aggregated_value for each in await all_of(page)]
    assert values == [2000.0, 1000.0]


async def _errors(v1: Any, v2: Any, ask: Ask, customer: str) -> None:
    key = {"idempotency_key": "key-1"}
    made = await ask(v1.customers, "create", {"name": "Once"}, key)
    again = await ask(v1.customers, "create", {"name": "Once"}, key)
    assert again.id == made.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await ask(v1.customers, "create", {"name": "Twice"}, key)

    event = {
        "event_name": "api_requests",
        "identifier": "one",
        "payload": {"stripe_customer_id": customer, "value": "1"},
    }
    with pytest.raises(stripe.InvalidRequestError) as twice:
        await ask(v1.billing.meter_events, "create", event)
    assert twice.value.user_message == "An event already exists with identifier one."
    assert twice.value.code is None
    with pytest.raises(stripe.InvalidRequestError) as nobody:
        await ask(v1.customers, "retrieve", "cus_nobody")
    assert (nobody.value.code, nobody.value.http_status) == ("resource_missing", 404)
    with pytest.raises(stripe.RateLimitError) as limited:
        await ask(v1.accounts, "retrieve_current")
    assert limited.value.error is not None
    assert limited.value.error.code == "rate_limit"
    with pytest.raises(stripe.AuthenticationError):
        await ask(v1.customers, "list", {}, {"api_key": "sk_test_somebody_elses"})
    with pytest.raises(stripe.TemporarySessionExpiredError):
        await ask(
            v2.billing.meter_event_stream,
            "create",
            {"events": [event]},
            {"api_key": "stale"},
        )


async def _late_error(v2: Any, ask: Ask, all_of: Ask) -> None:
    [found] = await all_of(await ask(v2.core.events, "list", {"limit": 1}))
    event = await ask(v2.core.events, "retrieve", found.id)

    assert isinstance(event, stripe.events.V1BillingMeterErrorReportTriggeredEvent)
    [kind] = event.data.reason.error_types
    assert (kind.code, kind.error_count) == ("meter_event_no_customer_defined", 1)


async def _clock(v1: Any, ask: Ask, all_of: Ask, price: Any) -> None:
    clocks, start = v1.test_helpers.test_clocks, _unix(2030, 1)
    clock = await ask(clocks, "create", {"frozen_time": start})
    customer = await ask(v1.customers, "create", {"test_clock": clock.id})
    await ask(
        v1.subscriptions,
        "create",
        {"customer": customer.id, "items": [{"price": price.id}]},
    )
    payload = {"stripe_customer_id": customer.id, "value": "10"}
    event = {"event_name": "api_requests", "payload": payload, "timestamp": start + 60}
    await ask(v1.billing.meter_events, "create", event)
    ahead = {"frozen_time": start + 32 * _DAY}
    moved = await ask(clocks, "advance", clock.id, ahead)
    ready = await ask(clocks, "retrieve", clock.id)
    page = await ask(v1.invoices, "list", {"customer": customer.id})
    [invoice] = await all_of(page)

    assert (moved.status, ready.status) == ("advancing", "ready")
    assert (invoice.total, invoice.status) == (10, "paid")
    assert invoice.created == _unix(2030, 2)


def _unix(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
