"""What a customer's invoices say and how they are numbered."""

from __future__ import annotations

from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Customer
from meterdeck.core.local_stripe.refusals import rejected
from meterdeck.core.local_stripe.schema import (
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json

SETTINGS = Section(
    {
        "custom_fields": ListOf(
            Section({"name": Text(40), "value": Text(140)}, ("name", "value")), 4
        ),
        "default_payment_method": Unsupported(),
        "footer": Text(clearable=True),
        "rendering_options": Section(
            {
                "amount_tax_display": Text(
                    choices=("exclude_tax", "include_inclusive_tax"), clearable=True
                ),
                "template": Unsupported(),
            },
            clearable=True,
        ),
    }
)


def render(customer: Customer) -> Json:
    """Give `invoice_settings`."""
    return {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
        **(customer.invoice_settings or {}),
    }


def settings(before: Json | None, sent: Parameters) -> Json | None:
    """Give the settings after a request: what was sent changes, the rest stays."""
    group = sent.section("invoice_settings")
    if group is None:
        return before
    after = dict(before or {})
    if "custom_fields" in group:
        after["custom_fields"] = [
            {"name": each.text("name"), "value": each.text("value")}
            for each in group.sections("custom_fields")
        ] or None
    if "footer" in group:
        after["footer"] = group.text("footer")
    if "rendering_options" in group:
        options = group.section("rendering_options")
        shown = options and options.text("amount_tax_display")
        after["rendering_options"] = options and {
            "amount_tax_display": shown,
            "template": None,
        }
    return after


def next_number(before: int, sent: Parameters) -> int:
    """Give the number of the next invoice: it never goes back."""
    wanted = sent.integer("next_invoice_sequence")
    if wanted is None:
        return before
    if wanted < before:
        raise rejected(
            f"next_invoice_sequence must be at least {before}: a lower number may"
            " have been used.",
            "next_invoice_sequence",
        )
    return wanted
