"""How the local Stripe's answers differ from the published ones, and why.

By the recording's name: each difference as `tests.support.recorded` tells it. One that
is not listed fails, and so does a listed one that is gone.
"""

_BEFORE_BASIL = "recorded before API version 2025-03-31.basil"
_ADDED_LATER = "recorded before Stripe added it; later recordings have it"
_ADDED_LATER_BY_SDK = "the docs' example is older; the SDK 16.1 types it"
_SINCE_ENDIVE = "added after the recorded API version; the SDK 16.1 types it"
_UNPAID = "there are no payments here"
_NO_PAGE = "there is no page to pay on"
_NO_PRORATION = "there are no prorations here"
_SHORTENED = "changed by those who published it"
_NO_PAYMENT_METHODS = "there are no payment methods here"
_ANOTHER_PRICE = "the recorded price has no name"


def _at(path: str, reasons: dict[str, str]) -> dict[str, str]:
    """Give the differences of an object that stands at a path."""
    return {f"{path}.{difference}": why for difference, why in reasons.items()}


_NEW_ITEM = {
    "current_period_end: only ours": _BEFORE_BASIL,
    "current_period_start: only ours": _BEFORE_BASIL,
}
_OLD_ITEM = {
    **_NEW_ITEM,
    "discounts: only ours": _ADDED_LATER,
    "plan.aggregate_usage: only recorded": _BEFORE_BASIL,
    "plan.meter: only ours": _ADDED_LATER,
    "price.recurring.aggregate_usage: only recorded": _BEFORE_BASIL,
    "price.recurring.meter: only ours": _ADDED_LATER,
}
_OLD_SUBSCRIPTION = {
    "automatic_tax.disabled_reason: only ours": _ADDED_LATER,
    "automatic_tax.liability: only ours": _ADDED_LATER,
    "billing_cycle_anchor_config: only ours": _ADDED_LATER,
    "billing_mode: only ours": _BEFORE_BASIL,
    "billing_schedules: only ours": _SINCE_ENDIVE,
    "current_period_end: only recorded": _BEFORE_BASIL,
    "current_period_start: only recorded": _BEFORE_BASIL,
    "customer_account: only ours": _ADDED_LATER,
    "discount: only recorded": _BEFORE_BASIL,
    "discounts: only ours": _ADDED_LATER,
    "invoice_settings: only ours": _ADDED_LATER,
    "plan.aggregate_usage: only recorded": _BEFORE_BASIL,
    "plan.meter: only ours": _ADDED_LATER,
    **_at("items.data[]", _OLD_ITEM),
}
_OF_2026 = {
    "$.billing_schedules: only ours": _SINCE_ENDIVE,
    "$.latest_invoice.hosted_invoice_url: str recorded, null ours": _NO_PAGE,
    "$.latest_invoice.invoice_pdf: str recorded, null ours": _NO_PAGE,
}
_OF_2025 = {
    **_OF_2026,
    "$.customer_account: only ours": _ADDED_LATER,
    "$.latest_invoice.confirmation_secret: dict recorded, null ours": _UNPAID,
    "$.latest_invoice.customer_account: only ours": _ADDED_LATER,
    "$.latest_invoice.lines.data[].quantity_decimal: only ours": _ADDED_LATER,
    "$.latest_invoice.lines.data[].subtotal: only ours": _ADDED_LATER,
    "$.latest_invoice.payments.data: 1 recorded, 0 ours": _UNPAID,
}
_PRORATED = _at(
    "$.latest_invoice.lines.data[]",
    {
        "parent.subscription_item_details.invoice_item: str recorded, null ours": (
            _NO_PRORATION
        ),
        "parent.subscription_item_details.proration_details.credited_items: dict"
        " recorded, null ours": _NO_PRORATION,
        "pricing.unit_amount_decimal: null recorded, str ours": _NO_PRORATION,
    },
)

# Ids that were rewritten by those who published the answer, and ours that has a name.
_REWRITTEN = {
    "customer: id of cus_ and 3 recorded, cus_ and 14 ours": _SHORTENED,
    "default_payment_method: str recorded, null ours": _NO_PAYMENT_METHODS,
    "items.data[].id: id of si_ and 24 recorded, si_ and 14 ours": _SHORTENED,
    **{
        f"{each}.{difference}": why
        for each in ("items.data[].plan", "items.data[].price", "plan")
        for difference, why in {
            "nickname: null recorded, str ours": _ANOTHER_PRICE,
            "product: id of prod_ and 24 recorded, prod_ and 14 ours": _SHORTENED,
        }.items()
    },
}

DIFFERENCES: dict[str, dict[str, str]] = {
    "alert": {"$.usage_threshold.filters: only ours": "the SDK types it, nullable"},
    "credit_grant": {"$.customer_account: only ours": _ADDED_LATER_BY_SDK},
    "credit_grant_expired": {"$.customer_account: only ours": _ADDED_LATER_BY_SDK},
    "customer_search": {
        **_at("$.data[].subscriptions.data[]", {**_OLD_SUBSCRIPTION, **_REWRITTEN}),
        "$.data[].id: id of cus_ and 3 recorded, cus_ and 14 ours": _SHORTENED,
        "$.data[].customer_account: only ours": _ADDED_LATER,
        "$.data[].default_source: str recorded, null ours": _NO_PAYMENT_METHODS,
        "$.data[].description: str recorded, null ours": "ours has none",
        "$.data[].metadata.foo: only recorded": "ours has none",
    },
    "customer_search_nothing": {
        "$.next_page: only ours": "customer_search has it",
        "$: the keys have another order": (
            "theirs is the order of the docs' example; customer_search has ours"
        ),
    },
    "customer_404": {
        "$.error.request_log_url: only ours": _ADDED_LATER,
        "header vary: only ours": _ADDED_LATER,
    },
    "customer_with_no_subscriptions": {
        "$.customer_account: only ours": _ADDED_LATER,
        "$.id: id of cus_ and 3 recorded, cus_ and 14 ours": _SHORTENED,
    },
    "event": {
        **_at("$.data.object", _OLD_SUBSCRIPTION),
        "$.data.object.items.data[].plan.nickname: null recorded, str ours": (
            _ANOTHER_PRICE
        ),
        "$.data.object.items.data[].price.nickname: null recorded, str ours": (
            _ANOTHER_PRICE
        ),
        "$.data.object.plan.nickname: null recorded, str ours": _ANOTHER_PRICE,
    },
    "metered_item": {
        **_at("$", _NEW_ITEM),
        "$.plan.aggregate_usage: only recorded": _BEFORE_BASIL,
        "$.price.recurring.aggregate_usage: only recorded": _BEFORE_BASIL,
    },
    "subscription": _OF_2025,
    "subscription_cancel_at_period_end": _OF_2025,
    "subscription_new_anchor": {**_OF_2025, **_PRORATED},
    "subscription_quantity": _OF_2025,
    "subscription_tiers": {
        **_at("$", _OLD_SUBSCRIPTION),
        "$.default_payment_method: str recorded, null ours": _NO_PAYMENT_METHODS,
    },
    "subscription_trial": _OF_2026,
    "summaries_documented": {
        "$.data[].aggregated_value: int recorded, float ours": (
            "an example of the docs; the recorded answers have 610000.0"
        ),
    },
    "v2_no_meter_found": {
        "$.context: only ours": "another example of the docs has it, as null",
    },
}
