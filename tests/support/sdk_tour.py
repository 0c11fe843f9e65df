"""A tour of every operation of the local Stripe.

An operation that no step calls fails `test_sdk_oracle.py`, and so does a group of
parameters that no step sends: add a step beside its family.
"""

from collections.abc import Callable

from tests.support import sdk_tour_billing, sdk_tour_invoices, sdk_tour_usage
from tests.support.sdk_guide import Guide

_STEPS: tuple[Callable[[Guide], None], ...] = (
    sdk_tour_usage.account,
    sdk_tour_billing.webhook_endpoints,
    sdk_tour_billing.event_destinations,
    sdk_tour_usage.meters,
    sdk_tour_usage.products,
    sdk_tour_usage.prices,
    sdk_tour_usage.customers,
    sdk_tour_usage.subscriptions,
    sdk_tour_usage.subscription_items,
    sdk_tour_billing.alerts,
    sdk_tour_usage.usage,
    sdk_tour_usage.v2_usage,
    sdk_tour_billing.credits_,
    sdk_tour_billing.previews,
    sdk_tour_invoices.invoices,
    sdk_tour_invoices.test_clocks,
    sdk_tour_billing.searches,
    sdk_tour_usage.events,
)


def whole_tour(guide: Guide) -> None:
    """Call every operation at least once, with every group of parameters."""
    for step in _STEPS:
        step(guide)
