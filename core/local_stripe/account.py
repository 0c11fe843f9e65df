"""`GET /v1/account`: whose key this is."""

from __future__ import annotations

from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.schema import EXPAND, Section
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World


def retrieve(world: World, call: Call) -> Json:
    """Give the sandbox's one account."""
    return {
        "id": world.ids.account,
        "object": "account",
        "business_profile": {"name": "meterdeck sandbox", "url": None},
        "business_type": None,
        "capabilities": {},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": dict.fromkeys(
                ("icon", "logo", "primary_color", "secondary_color")
            ),
            "card_payments": {
                "statement_descriptor_prefix": None,
                "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": "meterdeck sandbox", "timezone": "Etc/UTC"},
            "payments": dict.fromkeys(
                (
                    "statement_descriptor",
                    "statement_descriptor_kana",
                    "statement_descriptor_kanji",
                )
            ),
        },
        "type": "standard",
    }


OPERATIONS = (Operation("GET", "/v1/account", retrieve, Section(EXPAND)),)
