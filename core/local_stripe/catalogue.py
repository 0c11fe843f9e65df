"""All operations the local Stripe answers."""

from __future__ import annotations

from meterdeck.core.local_stripe import (
    account,
    adjustments,
    alerts,
    clocks,
    credit_balances,
    credit_grants,
    credit_transactions,
    customers,
    event_destinations,
    events,
    invoice_preview,
    invoices,
    meter_events,
    meters,
    prices,
    products,
    search,
    subscription_item_writes,
    subscription_items,
    subscriptions,
    summaries,
    v2_core_events,
    v2_meter_events,
    webhook_endpoints,
)
from meterdeck.core.local_stripe.operations import Operations

OPERATIONS = Operations(
    operation
    for family in (
        account,
        adjustments,
        alerts,
        clocks,
        credit_balances,
        credit_grants,
        credit_transactions,
        customers,
        event_destinations,
        events,
        invoice_preview,
        invoices,
        meter_events,
        meters,
        prices,
        products,
        search,
        subscription_item_writes,
        subscription_items,
        subscriptions,
        summaries,
        v2_core_events,
        v2_meter_events,
        webhook_endpoints,
    )
    for operation in family.OPERATIONS
)
