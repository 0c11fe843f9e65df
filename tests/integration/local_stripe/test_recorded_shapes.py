"""Our answers have the keys of Stripe's recorded ones, in the same order.

Customer and subscription: VCR cassettes of pay-rails/pay (API 2026-03-25.dahlia).
Meter, summary and event: fixtures of shorebirdtech/shorebird, recorded in test mode.
"""

import pytest
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe

_CUSTOMER = """
id object address balance created currency customer_account default_source
delinquent description discount email invoice_prefix invoice_settings livemode
metadata name next_invoice_sequence phone preferred_locales shipping tax_exempt
test_clock
"""
_SUBSCRIPTION = """
id object application application_fee_percent automatic_tax billing_cycle_anchor
billing_cycle_anchor_config billing_mode billing_thresholds cancel_at
cancel_at_period_end canceled_at cancellation_details collection_method created
currency customer customer_account days_until_due default_payment_method
default_source default_tax_rates description discounts ended_at invoice_settings
items latest_invoice livemode metadata next_pending_invoice_item_invoice
on_behalf_of pause_collection payment_settings pending_invoice_item_interval
pending_setup_intent pending_update plan quantity schedule start_date status
test_clock transfer_data trial_end trial_settings trial_start
"""
_ITEM = """
id object billing_thresholds created current_period_end current_period_start
discounts metadata plan price quantity subscription tax_rates
"""
_PLAN = """
id object active amount amount_decimal billing_scheme created currency interval
interval_count livemode metadata meter nickname product tiers_mode transform_usage
trial_period_days usage_type
"""
_PRICE = """
id object active billing_scheme created currency custom_unit_amount livemode
lookup_key metadata nickname product recurring tax_behavior tiers_mode
transform_quantity type unit_amount unit_amount_decimal
"""
_METER = """
id object created customer_mapping default_aggregation display_name event_name
event_time_window livemode status status_transitions updated value_settings
"""
_LIST = """
object data has_more url
"""
_SUMMARY = """
id object aggregated_value end_time livemode meter start_time
"""
_EVENT = """
id object api_version created data livemode pending_webhooks request type
"""

# Only what a null may stand for in the recorded answers, by dotted path.
_NULL = {
    "customer": {"address", "default_source", "description", "phone", "shipping"},
    "price": {"custom_unit_amount", "lookup_key", "nickname", "transform_quantity"},
}


@pytest.fixture
def answers(
    local: LocalStripe, seller: Seller, clock: Clock
) -> dict[str, dict[str, object]]:
    """One answer of each kind."""
    meter, product, customer = seller.meter(), seller.product(), seller.customer()
    price = seller.licensed_price(product)
    subscription = local.call(
        "GET",
        f"/v1/subscriptions/{seller.subscription(customer, price)}",
        {},
    )
    seller.event(customer, "1")
    items = subscription["items"]
    assert isinstance(items, dict)
    [item] = items["data"]
    meters = local.call("GET", "/v1/billing/meters", {})
    summaries = local.call(
        "GET",
        f"/v1/billing/meters/{meter}/event_summaries",
        {
            "customer": customer,
            "start_time": clock.seconds,
            "end_time": clock.seconds + 60,
        },
    )
    events = local.call("GET", "/v1/events", {})
    return {
        "customer": local.call("GET", f"/v1/customers/{customer}", {}),
        "subscription": subscription,
        "item": item,
        "plan": item["plan"],
        "price": item["price"],
        "list": meters,
        "meter": _first(meters),
        "summary": _first(summaries),
        "event": _first(events),
    }


def _first(answer: dict[str, object]) -> dict[str, object]:
    data = answer["data"]
    assert isinstance(data, list)
    first = data[0]
    assert isinstance(first, dict)
    return first


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("customer", _CUSTOMER),
        ("subscription", _SUBSCRIPTION),
        ("item", _ITEM),
        ("plan", _PLAN),
        ("price", _PRICE),
        ("list", _LIST),
        ("meter", _METER),
        ("summary", _SUMMARY),
        ("event", _EVENT),
    ],
)
def test_keys_are_the_recorded_ones_in_their_order(
    answers: dict[str, dict[str, object]], kind: str, keys: str
) -> None:
    """No key more, none less, none elsewhere."""
    assert keys.split() == list(answers[kind])


@pytest.mark.parametrize("kind", _NULL)
def test_what_was_not_given_is_null(
    answers: dict[str, dict[str, object]], kind: str
) -> None:
    """Keys without a value are there, as null."""
    assert {None} == {answers[kind][key] for key in _NULL[kind]}


def test_a_summarys_value_is_a_float(answers: dict[str, dict[str, object]]) -> None:
    """Stripe prints 610000.0, also for whole numbers."""
    assert isinstance(answers["summary"]["aggregated_value"], float)
