"""Meters: made once, renamed, stopped and started again."""

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal


async def test_a_created_meter_comes_back_typed(
    client: stripe.StripeClient, clock: Clock
) -> None:
    """Every field the SDK types is there, with Stripe's defaults."""
    meter = await client.v1.billing.meters.create_async(
        {
            "display_name": "API requests",
            "event_name": "api_requests",
            "default_aggregation": {"formula": "sum"},
        }
    )

    again = await client.v1.billing.meters.retrieve_async(meter.id)
    assert again == meter
    assert meter.id.startswith("mtr_test_61")
    assert len("mtr_test_61QvSUDTnLya5cdwG41HSA9cXarIc144") == len(meter.id)
    assert (clock.seconds, clock.seconds) == (meter.created, meter.updated)
    assert meter.customer_mapping.event_payload_key == "stripe_customer_id"
    assert meter.customer_mapping.type == "by_id"
    assert meter.value_settings.event_payload_key == "value"
    assert meter.default_aggregation.formula == "sum"
    assert meter.status == "active"
    assert meter.status_transitions.deactivated_at is None
    assert meter.event_time_window is None
    assert meter.livemode is False


async def test_only_the_display_name_can_be_changed(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """A new name is kept; a new event name is an unknown parameter."""
    meter_id = seller.meter()

    renamed = await client.v1.billing.meters.update_async(
        meter_id, {"display_name": "Calls"}
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.raw_request_async(
            "post", f"/v1/billing/meters/{meter_id}", event_name="other"
        )

    assert renamed.display_name == "Calls"
    assert refused.value.user_message == "Received unknown parameter: event_name"


def test_a_meters_names_have_limits(local: LocalStripe, seller: Seller) -> None:
    """250 characters of name, 100 of event name and payload keys, and none more; a
    meter is stopped once."""
    names = {
        "display_name": "d" * 250,
        "event_name": "e" * 100,
        "value_settings[event_payload_key]": "k" * 100,
    }

    def create(changed: str = "") -> str:
        sent = {k: f"{v}{'x' if k == changed else ''}" for k, v in names.items()}
        key = sent.pop("value_settings[event_payload_key]")
        params = {
            **sent,
            "default_aggregation": {"formula": "sum"},
            "value_settings": {"event_payload_key": key},
        }
        return str(local.call("POST", "/v1/billing/meters", params)["id"])

    for name, value in names.items():
        with pytest.raises(LocalStripeRefusal, match=f"at most {len(value)}") as told:
            create(name)
        assert told.value.param == name
    path = f"/v1/billing/meters/{create()}/deactivate"
    local.call("POST", path, {})
    with pytest.raises(LocalStripeRefusal, match="already inactive"):
        local.call("POST", path, {})


async def test_a_deactivated_meter_refuses_events_until_reactivated(
    client: stripe.StripeClient, seller: Seller, clock: Clock
) -> None:
    """The time of deactivation is shown while it lasts, and events are refused."""
    meter_id, customer = seller.meter(), seller.customer()
    payload = {"stripe_customer_id": customer, "value": "1"}

    stopped = await client.v1.billing.meters.deactivate_async(meter_id)
    with pytest.raises(stripe.InvalidRequestError, match="No active meter found"):
        await client.v1.billing.meter_events.create_async(
            {"event_name": "api_requests", "payload": payload}
        )
    started = await client.v1.billing.meters.reactivate_async(meter_id)
    await client.v1.billing.meter_events.create_async(
        {"event_name": "api_requests", "payload": payload}
    )

    assert stopped.status == "inactive"
    assert clock.seconds == stopped.status_transitions.deactivated_at
    assert started.status == "active"
    assert started.status_transitions.deactivated_at is None


async def test_an_event_name_belongs_to_one_meter_for_ever(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """Also the name of a deactivated meter is taken."""
    meter_id = seller.meter("images")
    await client.v1.billing.meters.deactivate_async(meter_id)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.billing.meters.create_async(
            {
                "display_name": "Images",
                "event_name": "images",
                "default_aggregation": {"formula": "sum"},
            }
        )

    assert (refused.value.http_status, refused.value.param) == (400, "event_name")


async def test_meters_are_listed_by_status(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """Active and inactive ones can be asked for."""
    first, second = seller.meter("a"), seller.meter("b")
    await client.v1.billing.meters.deactivate_async(first)

    active = await client.v1.billing.meters.list_async({"status": "active"})
    inactive = await client.v1.billing.meters.list_async({"status": "inactive"})
    both = await client.v1.billing.meters.list_async()

    assert [second] == [meter.id for meter in active.data]
    assert [first] == [meter.id for meter in inactive.data]
    assert [second, first] == [meter.id for meter in both.data]


def test_the_same_seed_makes_the_same_ids(clock: Clock) -> None:
    """Two accounts of one seed give their objects the same ids."""
    one, other = (Seller(LocalStripe(now=clock, seed=3)) for _ in range(2))

    assert one.meter() == other.meter()
    assert one.customer() == other.customer()
