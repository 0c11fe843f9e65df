"""The invoice preview: amounts by hand, which usage counts, what is refused."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe

Tiers = list[dict[str, object]]

# The legacy program's three steps: $0.01, from 1,001 on $0.005, from 10,001 on $0.001.
_STEPS: Tiers = [
    {"up_to": 1_000, "unit_amount": 1},
    {"up_to": 10_000, "unit_amount_decimal": "0.5"},
    {"up_to": "inf", "unit_amount_decimal": "0.1"},
]
_WITH_FLAT: Tiers = [
    {"up_to": 100, "unit_amount": 0, "flat_amount": 500},
    {"up_to": "inf", "unit_amount": 3, "flat_amount": 200},
]
_BY_THE_HUNDRED = {"divide_by": 100, "round": "up"}

_PER_UNIT: list[tuple[str, str, int]] = [
    # a unit's amount, used, the line's amount
    ("1 usd", "25000", 25_000),
    ("0.1 usd", "4", 0),  # 0.4 cent
    ("0.1 usd", "5", 1),  # 0.5 cent: a half goes up
    ("0.1 usd", "1234567", 123_457),  # 123,456.7
    ("0.000000000001 usd", "500000000000", 1),  # 0.5, of twelve decimals
    ("1.5 usd", "0.333333", 0),  # 0.4999995
    ("7 usd", "-12", 0),  # below zero costs what zero costs
    ("12 jpy", "3", 36),  # yen have no hundredths
    ("0.5 kwd", "2001", 1_001),  # 1,000.5 thousandths of a dinar
]


def _preview(local: LocalStripe, **params: object) -> dict[str, Any]:
    return local.call("POST", "/v1/invoices/create_preview", params)


def _amounts(invoice: Mapping[str, Any]) -> list[int]:
    return [line["amount"] for line in invoice["lines"]["data"]]


def _metered(seller: Seller, **form: object) -> tuple[str, str]:
    """Subscribe a customer to a metered price of this form."""
    price = seller.metered_price(seller.meter(), seller.product(), **form)
    customer = seller.customer()
    return customer, seller.subscription(customer, price)


@pytest.mark.parametrize(("price", "used", "amount"), _PER_UNIT)
def test_units_are_multiplied_exactly_and_the_line_is_rounded(
    local: LocalStripe, seller: Seller, price: str, used: str, amount: int
) -> None:
    """Half up to a whole smallest unit, once a line."""
    unit, currency = price.split()
    customer, subscription = _metered(
        seller, currency=currency, unit_amount_decimal=unit
    )
    seller.event(customer, used)

    invoice = _preview(local, subscription=subscription)

    [line] = invoice["lines"]["data"]
    quantity = max(Decimal(used), Decimal(0))
    assert amount == line["amount"] == invoice["total"] == invoice["amount_due"]
    assert (int(quantity), quantity) == (
        line["quantity"],
        Decimal(line["quantity_decimal"]),
    )
    assert currency == line["currency"] == invoice["currency"]


@pytest.mark.parametrize(
    ("form", "used", "amounts"),
    [
        # 1000 x 1 + 9000 x 0.5 + 15000 x 0.1 cents: $70.00
        ({"tiers_mode": "graduated", "tiers": _STEPS}, "25000", [1000, 4500, 1500]),
        ({"tiers_mode": "graduated", "tiers": _STEPS}, "1000", [1000]),
        ({"tiers_mode": "graduated", "tiers": _STEPS}, "1001", [1000, 1]),
        ({"tiers_mode": "graduated", "tiers": _STEPS}, "1000.5", [1000, 0]),
        ({"tiers_mode": "graduated", "tiers": _STEPS}, "0", [0]),
        # The first tier's flat amount is owed for nothing, the second's once entered.
        ({"tiers_mode": "graduated", "tiers": _WITH_FLAT}, "0", [0, 500]),
        ({"tiers_mode": "graduated", "tiers": _WITH_FLAT}, "100", [0, 500]),
        ({"tiers_mode": "graduated", "tiers": _WITH_FLAT}, "110", [0, 500, 30, 200]),
        ({"tiers_mode": "volume", "tiers": _STEPS}, "25000", [2500]),
        ({"tiers_mode": "volume", "tiers": _STEPS}, "1000", [1000]),
        ({"tiers_mode": "volume", "tiers": _WITH_FLAT}, "110", [330, 200]),
        ({"transform_quantity": _BY_THE_HUNDRED}, "201", [3 * 250]),
        ({"transform_quantity": _BY_THE_HUNDRED}, "200", [2 * 250]),
        ({"transform_quantity": {"divide_by": 100, "round": "down"}}, "299", [2 * 250]),
    ],
)
def test_tiers_and_packages_cost_what_the_arithmetic_says(
    local: LocalStripe,
    seller: Seller,
    form: dict[str, object],
    used: str,
    amounts: list[int],
) -> None:
    """Graduated: a line for each tier used, and for its flat amount."""
    amount = {"billing_scheme": "tiered"} if "tiers" in form else {"unit_amount": 250}
    customer, subscription = _metered(seller, **amount, **form)
    seller.event(customer, used)

    assert amounts == _amounts(_preview(local, subscription=subscription))
