"""What may be sent about prices."""

from __future__ import annotations

from meterdeck.core.local_stripe.price_rules import AMOUNTS, RECURRING
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    TIME_RANGE,
    Flag,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)

_UNSUPPORTED: dict[str, Kind] = {
    "currency_options": Unsupported(),
    "custom_unit_amount": Unsupported(),
}
_TAX = Text(choices=("exclusive", "inclusive", "unspecified"))
_NAMED: dict[str, Kind] = {
    "active": Flag(),
    "lookup_key": Text(200),
    "metadata": METADATA,
    "nickname": Text(),
    "tax_behavior": _TAX,
    "transfer_lookup_key": Flag(),
    **EXPAND,
}
CREATE = Section(
    {
        **_NAMED,
        **_UNSUPPORTED,
        **AMOUNTS,
        "currency": Text(),
        "product": Text(),
        "product_data": Section(
            {
                "active": Flag(),
                "id": Text(),
                "metadata": METADATA,
                "name": Text(250),
                "statement_descriptor": Text(22),
                "tax_code": Text(),
                "tax_details": Unsupported(),
                "unit_label": Text(12),
            },
            required=("name",),
        ),
    },
    required=("currency",),
)
OF_NEW_PRODUCT = Section(
    {
        **_UNSUPPORTED,
        "currency": Text(),
        "metadata": METADATA,
        "recurring": Section(
            {key: RECURRING.fields[key] for key in ("interval", "interval_count")},
            required=("interval",),
        ),
        "tax_behavior": _TAX,
        "unit_amount": AMOUNTS["unit_amount"],
        "unit_amount_decimal": AMOUNTS["unit_amount_decimal"],
    },
    required=("currency",),
)
# A price of its own for one item: always licensed, per unit.
INLINE = Section(
    {
        "currency": Text(),
        "product": Text(),
        "recurring": Section(
            {key: RECURRING.fields[key] for key in ("interval", "interval_count")},
            required=("interval",),
        ),
        "tax_behavior": _TAX,
        "unit_amount": AMOUNTS["unit_amount"],
        "unit_amount_decimal": AMOUNTS["unit_amount_decimal"],
    },
    required=("currency", "product", "recurring"),
)
UPDATE = Section({**_NAMED, "currency_options": Unsupported()})
LIST = Section(
    {
        "active": Flag(),
        "created": TIME_RANGE,
        "currency": Text(),
        "lookup_keys": ListOf(Text(), 10),
        "product": Text(),
        "recurring": Section(
            {key: RECURRING.fields[key] for key in ("interval", "meter", "usage_type")}
        ),
        "type": Text(choices=("one_time", "recurring")),
        **PAGE,
    }
)
