"""What may be sent about subscriptions."""

from __future__ import annotations

from meterdeck.core.local_stripe.price_schemas import INLINE
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    LATEST,
    METADATA,
    PAGE,
    TIME,
    TIME_RANGE,
    Either,
    Flag,
    Integer,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
    WordOr,
)

STATUSES = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
_FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
_ITEM: dict[str, Kind] = {
    "metadata": METADATA,
    "plan": Text(),
    "price": Text(),
    "price_data": INLINE,
    "quantity": Integer(0),
    **dict.fromkeys(
        (
            "billing_thresholds",
            "current_trial",
            "discounts",
            "tax_rates",
        ),
        Unsupported(),
    ),
}
CANCELLATION = Section(
    {
        "comment": Text(clearable=True),
        "feedback": Text(choices=_FEEDBACK, clearable=True),
        "feedback_option": Unsupported(),
    }
)
# Words for the last and the first of the ends of the items' periods.
PERIOD_ENDS = ("max_period_end", "min_period_end")
_OTHER_ENDS = ("max_billed_until",)
_ANCHOR = Text(choices=("now", "unchanged"))
# How invoices are paid changes nothing here: the sandbox has no payments, and no
# proration either.
PRORATION_BEHAVIOR = Text(choices=("always_invoice", "create_prorations", "none"))
_UPDATED_ITEM: dict[str, Kind] = {
    **_ITEM,
    "clear_usage": Flag(),
    "deleted": Flag(),
    "id": Text(),
}
UPDATED_ITEMS = ListOf(Section(_UPDATED_ITEM), 20)
# A preview stores nothing, so not a price either.
PREVIEWED_ITEMS = ListOf(Section({**_UPDATED_ITEM, "price_data": Unsupported()}), 20)
_PAYMENT: dict[str, Kind] = {
    "off_session": Flag(),
    "payment_behavior": Text(
        choices=(
            "allow_incomplete",
            "default_incomplete",
            "error_if_incomplete",
            "pending_if_incomplete",
        )
    ),
    "proration_behavior": PRORATION_BEHAVIOR,
}
_COMMON: dict[str, Kind] = {
    "automatic_tax": Section(
        {"enabled": Flag(), "liability": Unsupported()}, required=("enabled",)
    ),
    "cancel_at_period_end": Flag(),
    "collection_method": Text(choices=("charge_automatically", "send_invoice")),
    "days_until_due": Integer(0),
    "description": Text(500, clearable=True),
    "metadata": METADATA,
    "payment_settings": Section(
        {
            "payment_method_options": Unsupported(),
            "payment_method_types": Unsupported(),
            "save_default_payment_method": Text(choices=("off", "on_subscription")),
        }
    ),
    "trial_end": Integer(0, word="now"),
    "trial_settings": Section(
        {
            "end_behavior": Section(
                {
                    "billing_cycle_anchor": Unsupported(),
                    "missing_payment_method": Text(
                        choices=("cancel", "create_invoice", "pause")
                    ),
                },
            )
        },
        required=("end_behavior",),
    ),
    **_PAYMENT,
    **dict.fromkeys(
        (
            "add_invoice_items",
            "application_fee_percent",
            "billing_schedules",
            "billing_thresholds",
            "default_payment_method",
            "default_source",
            "default_tax_rates",
            "discounts",
            "invoice_settings",
            "on_behalf_of",
            "pending_invoice_item_interval",
            "transfer_data",
            "trial_from_plan",
        ),
        Unsupported(),
    ),
    **EXPAND,
}
CREATE = Section(
    {
        **_COMMON,
        "backdate_start_date": TIME,
        "cancel_at": WordOr(PERIOD_ENDS, TIME, _OTHER_ENDS),
        "billing_cycle_anchor": TIME,
        "billing_cycle_anchor_config": Section(
            {
                "day_of_month": Integer(1, 31),
                "hour": Integer(0, 23),
                "minute": Integer(0, 59),
                "month": Integer(1, 12),
                "second": Integer(0, 59),
            },
            required=("day_of_month",),
        ),
        "billing_mode": Section(
            {"flexible": Unsupported(), "type": Text(choices=("classic", "flexible"))},
            required=("type",),
        ),
        "currency": Text(),
        "customer": Text(),
        "customer_account": Unsupported(),
        "items": ListOf(Section(_ITEM), 20),
        "trial_period_days": Integer(0, 730),
    },
    required=("customer", "items"),
)
UPDATE = Section(
    {
        **_COMMON,
        "cancel_at": WordOr(
            PERIOD_ENDS, Integer(0, LATEST, clearable=True), _OTHER_ENDS
        ),
        # A plain word before the endive API version, a group since.
        "billing_cycle_anchor": Either(_ANCHOR, Section({"type": _ANCHOR}, ("type",))),
        "cancellation_details": CANCELLATION,
        "items": UPDATED_ITEMS,
        "pause_collection": Section(
            {
                "behavior": Text(
                    choices=("keep_as_draft", "mark_uncollectible", "void")
                ),
                "resumes_at": TIME,
            },
            required=("behavior",),
            clearable=True,
        ),
        "proration_date": TIME,
    }
)
_PRORATION = {key: _PAYMENT[key] for key in ("payment_behavior", "proration_behavior")}
CREATE_ITEM = Section(
    {
        **_ITEM,
        **_PRORATION,
        "proration_date": TIME,
        "subscription": Text(),
        **EXPAND,
    },
    required=("subscription",),
)
UPDATE_ITEM = Section({**_ITEM, **_PAYMENT, "proration_date": TIME, **EXPAND})
DELETE_ITEM = Section({**_PRORATION, "clear_usage": Flag(), "proration_date": TIME})
CANCEL = Section(
    {
        "cancellation_details": CANCELLATION,
        "invoice_now": Flag(),
        "prorate": Flag(),
        **EXPAND,
    }
)
LIST = Section(
    {
        "automatic_tax": Unsupported(),
        "collection_method": Text(choices=("charge_automatically", "send_invoice")),
        "created": TIME_RANGE,
        "current_period_end": TIME_RANGE,
        "current_period_start": TIME_RANGE,
        "customer": Text(),
        "customer_account": Unsupported(),
        "plan": Text(),
        "price": Text(),
        "status": Text(choices=("all", "ended", *STATUSES)),
        "test_clock": Text(),
        **PAGE,
    }
)
