"""What may be sent about invoices."""

from __future__ import annotations

from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    TIME_RANGE,
    Flag,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.subscription_schemas import (
    PREVIEWED_ITEMS,
    PRORATION_BEHAVIOR,
)

LIST = Section(
    {
        "collection_method": Text(choices=("charge_automatically", "send_invoice")),
        "created": TIME_RANGE,
        "customer": Text(),
        "customer_account": Unsupported(),
        "due_date": Unsupported(),
        "status": Text(choices=("draft", "open", "paid", "uncollectible", "void")),
        "subscription": Text(),
        **PAGE,
    }
)
UPDATE = Section(
    {
        "auto_advance": Flag(),
        "description": Text(1_500, clearable=True),
        "metadata": METADATA,
        **dict.fromkeys(
            (
                "account_tax_ids",
                "application_fee_amount",
                "automatic_tax",
                "automatically_finalizes_at",
                "collection_method",
                "custom_fields",
                "days_until_due",
                "default_payment_method",
                "default_source",
                "default_tax_rates",
                "discounts",
                "due_date",
                "effective_at",
                "footer",
                "issuer",
                "number",
                "on_behalf_of",
                "payment_settings",
                "rendering",
                "shipping_cost",
                "shipping_details",
                "statement_descriptor",
                "transfer_data",
            ),
            Unsupported(),
        ),
        **EXPAND,
    }
)
FINALISE = Section({"auto_advance": Flag(), **EXPAND})
PAY = Section(
    {
        "off_session": Flag(),
        "paid_out_of_band": Flag(),
        **dict.fromkeys(
            ("forgive", "mandate", "payment_method", "source"), Unsupported()
        ),
        **EXPAND,
    }
)
PREVIEW = Section(
    {
        "customer": Text(),
        "preview_mode": Text(choices=("next", "recurring")),
        "subscription": Text(),
        "subscription_details": Section(
            {
                "items": PREVIEWED_ITEMS,
                "proration_behavior": PRORATION_BEHAVIOR,
                **dict.fromkeys(
                    (
                        "billing_cycle_anchor",
                        "billing_mode",
                        "billing_schedules",
                        "cancel_at",
                        "cancel_at_period_end",
                        "cancel_now",
                        "default_tax_rates",
                        "metadata",
                        "pause",
                        "proration_date",
                        "resume_at",
                        "start_date",
                        "trial_end",
                    ),
                    Unsupported(),
                ),
            }
        ),
        **dict.fromkeys(
            (
                "automatic_tax",
                "currency",
                "customer_account",
                "customer_details",
                "discounts",
                "invoice_items",
                "issuer",
                "on_behalf_of",
                "schedule",
                "schedule_details",
            ),
            Unsupported(),
        ),
        **EXPAND,
    }
)
