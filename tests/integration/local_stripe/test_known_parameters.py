"""Every parameter the official SDK can send is known: used, or refused by name."""

from typing import Any

import pytest
import stripe
from stripe import params
from stripe.params.v2 import billing as v2_billing
from stripe.params.v2 import core as v2_core

from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.schema import ListOf, Section

_OPERATIONS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/billing/meters", params.billing.MeterCreateParams),
    ("POST", "/v1/billing/meters/x", params.billing.MeterUpdateParams),
    ("GET", "/v1/billing/meters", params.billing.MeterListParams),
    (
        "GET",
        "/v1/billing/meters/x/event_summaries",
        params.billing.MeterEventSummaryListParams,
    ),
    ("POST", "/v1/billing/meter_events", params.billing.MeterEventCreateParams),
    (
        "POST",
        "/v1/billing/meter_event_adjustments",
        params.billing.MeterEventAdjustmentCreateParams,
    ),
    ("POST", "/v1/products", params.ProductCreateParams),
    ("POST", "/v1/products/x", params.ProductUpdateParams),
    ("GET", "/v1/products", params.ProductListParams),
    ("POST", "/v1/prices", params.PriceCreateParams),
    ("POST", "/v1/prices/x", params.PriceUpdateParams),
    ("GET", "/v1/prices", params.PriceListParams),
    ("POST", "/v1/customers", params.CustomerCreateParams),
    ("POST", "/v1/customers/x", params.CustomerUpdateParams),
    ("GET", "/v1/customers", params.CustomerListParams),
    ("POST", "/v1/subscriptions", params.SubscriptionCreateParams),
    ("POST", "/v1/subscriptions/x", params.SubscriptionUpdateParams),
    ("DELETE", "/v1/subscriptions/x", params.SubscriptionCancelParams),
    ("GET", "/v1/subscriptions", params.SubscriptionListParams),
    ("GET", "/v1/subscription_items", params.SubscriptionItemListParams),
    ("GET", "/v1/events", params.EventListParams),
    ("POST", "/v2/billing/meter_events", v2_billing.MeterEventCreateParams),
    ("GET", "/v2/core/events", v2_core.EventListParams),
]
# Sent by every call, or by the urls of v2 pages alone.
_NOT_COMPARED = {"expand", "page"}
_OPTIONS = set(stripe.RequestOptions.__annotations__)


def _schema(method: str, path: str) -> Section:
    found = OPERATIONS.find(method, path)
    assert found is not None, f"{method} {path} is not answered"
    return found[0].schema


@pytest.mark.parametrize(("method", "path", "sdk"), _OPERATIONS)
def test_the_sdks_parameters_are_known(method: str, path: str, sdk: Any) -> None:
    """None of them would be called unknown, and we know none that Stripe has not."""
    ours = set(_schema(method, path).fields)
    theirs = set(sdk.__annotations__) - _OPTIONS

    assert ours - _NOT_COMPARED == theirs - _NOT_COMPARED


@pytest.mark.parametrize(
    ("path", "sdk"),
    [
        ("/v1/subscriptions", params.SubscriptionCreateParamsItem),
        ("/v1/subscriptions/x", params.SubscriptionUpdateParamsItem),
    ],
)
def test_the_sdks_item_parameters_are_known(path: str, sdk: Any) -> None:
    """The same for the items of subscriptions."""
    items = _schema("POST", path).fields["items"]
    assert isinstance(items, ListOf)
    assert isinstance(items.kind, Section)

    assert set(items.kind.fields) == set(sdk.__annotations__)
