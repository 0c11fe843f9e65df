"""What may be sent about invoices."""

from __future__ import annotations

from meterdeck.core.local_stripe.schema import (
    EXPAND,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.subscription_schemas import (
    PRORATION_BEHAVIOR,
    UPDATED_ITEMS,
)

PREVIEW = Section(
    {
        "customer": Text(),
        "preview_mode": Text(choices=("next", "recurring")),
        "subscription": Text(),
        "subscription_details": Section(
            {
                "items": UPDATED_ITEMS,
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
