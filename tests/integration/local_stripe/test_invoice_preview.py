"""The invoice preview: amounts by hand, which usage counts, what is refused."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.support.invoices import amounts, preview
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal

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

    invoice = preview(local, subscription=subscription)

    [line] = invoice["lines"]["data"]
    quantity = max(Decimal(used), Decimal(0))
    assert amount == line["amount"] == invoice["total"] == invoice["amount_due"]
    assert (int(quantity), quantity) == (
        line["quantity"],
        Decimal(line["quantity_decimal"]),
    )
    assert currency == line["currency"] == invoice["currency"]


@pytest.mark.parametrize(
    ("form", "used", "expected"),
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
    expected: list[int],
) -> None:
    """Graduated: a line for each tier used, and for its flat amount."""
    amount = {"billing_scheme": "tiered"} if "tiers" in form else {"unit_amount": 250}
    customer, subscription = _metered(seller, **amount, **form)
    seller.event(customer, used)

    assert expected == amounts(preview(local, subscription=subscription))


@pytest.mark.parametrize(
    ("formula", "expected"), [("sum", 6), ("count", 2), ("last", 4)]
)
def test_the_usage_of_the_period_counts_to_the_second(
    local: LocalStripe, seller: Seller, clock: Clock, formula: str, expected: int
) -> None:
    """From the first second of the period to its last, though it is no whole minute."""
    meter = seller.meter(formula=formula)
    price = seller.metered_price(meter, seller.product(), unit_amount=1)
    customer = seller.customer()
    clock.move(seconds=30)
    subscription = seller.subscription(customer, price)
    start = clock.seconds
    seller.event(customer, "2", timestamp=start)
    seller.event(customer, "100", timestamp=start - 1)
    clock.move(days=30, hours=23, minutes=59)
    end = start + int(timedelta(days=31).total_seconds())
    seller.event(customer, "4", timestamp=end - 1)
    seller.event(customer, "1000", timestamp=end)

    invoice = preview(local, subscription=subscription)

    [line] = invoice["lines"]["data"]
    assert {"start": start, "end": end} == line["period"]
    assert (expected, expected) == (line["quantity"], invoice["total"])


def test_usage_is_previewed_when_it_shows(clock: Clock) -> None:
    """As late as in summaries."""
    local = LocalStripe(now=clock, summary_lag_s=60, seed=7)
    seller = Seller(local)
    customer, subscription = _metered(seller, unit_amount=1)
    seller.event(customer, "5")

    at_once = preview(local, subscription=subscription)
    clock.move(seconds=60)

    assert at_once["total"] == 0
    assert preview(local, subscription=subscription)["total"] == 5


def test_usage_is_billed_for_the_period_and_a_quantity_for_the_next(
    local: LocalStripe, seller: Seller
) -> None:
    """The preview is of the invoice that the period's end brings."""
    product = seller.product("Standard")
    metered = seller.metered_price(seller.meter(), product, unit_amount_decimal="0.5")
    customer = seller.customer()
    items: list[dict[str, object]] = [
        {"price": metered},
        {"price": seller.licensed_price(product), "quantity": 3},
    ]
    subscription = seller.subscribed(customer, items)
    seller.event(customer, "7")

    invoice = preview(local, customer=customer)

    usage, fee = invoice["lines"]["data"]
    end = usage["period"]["end"]
    assert (invoice["id"][:12], usage["id"][:7]) == ("upcoming_in_", "il_tmp_")
    assert ("draft", "upcoming", end) == (
        invoice["status"],
        invoice["billing_reason"],
        invoice["created"],
    )
    assert (
        usage["amount"],
        usage["description"],
        usage["pricing"]["unit_amount_decimal"],
    ) == (4, "7 × Standard (at $0.005 / month)", "0.5")
    assert (3000, "3 × Standard (at $10.00 / month)", end) == (
        fee["amount"],
        fee["description"],
        fee["period"]["start"],
    )
    parent = fee["parent"]["subscription_item_details"]
    assert subscription == parent["subscription"]
    assert invoice["amount_due"] == 3004


def test_a_what_if_changes_only_the_preview(local: LocalStripe, seller: Seller) -> None:
    """Another price or quantity, one item more, or a subscription that is not yet."""
    product = seller.product()
    fee, extra = seller.licensed_price(product), seller.licensed_price(product)
    customer = seller.customer()
    subscription = seller.subscription(customer, fee)
    item = preview(local, subscription=subscription)["lines"]["data"][0]["parent"]
    item_id = item["subscription_item_details"]["subscription_item"]
    dear = seller.licensed_price(product, unit_amount=2500)

    def what_if(**item: object) -> list[int]:
        details = {"items": [item]}
        asked = {"subscription": subscription, "subscription_details": details}
        return amounts(preview(local, **asked))

    assert what_if(id=item_id, price=dear, quantity=2) == [5000]
    assert what_if(id=item_id, quantity=4) == [4000]
    assert what_if(price=extra) == [1000, 1000]
    assert amounts(
        preview(
            local, customer=customer, subscription_details={"items": [{"price": dear}]}
        )
    ) == [2500]
    assert amounts(preview(local, subscription=subscription)) == [1000]


def test_where_nothing_will_be_billed_there_is_no_preview(
    local: LocalStripe, seller: Seller
) -> None:
    """Canceled, or about to end without usage, or nothing subscribed: a 404."""
    fee = seller.licensed_price(seller.product())
    gone, ending, nobody = (seller.customer(name) for name in "abc")
    local.call("DELETE", f"/v1/subscriptions/{seller.subscription(gone, fee)}", {})
    ends = seller.subscription(ending, fee, cancel_at_period_end=True)

    for asked in ({"customer": gone}, {"subscription": ends}, {"customer": nobody}):
        with pytest.raises(LocalStripeRefusal) as refused:
            preview(local, **asked)
        assert (
            refused.value.status,
            refused.value.code,
        ) == (404, "invoice_upcoming_none")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"discounts": [{"coupon": "x"}]}, "discounts"),
        (
            {"subscription_details": {"trial_end": "now"}},
            "subscription_details[trial_end]",
        ),
        (
            {"subscription_details": {"items": [{"price_data": {}}]}},
            "subscription_details[items][0][price_data]",
        ),
    ],
)
def test_what_the_preview_does_not_know_is_refused_by_name(
    local: LocalStripe, seller: Seller, asked: dict[str, Any], param: str
) -> None:
    """It is never ignored."""
    with pytest.raises(LocalStripeRefusal) as refused:
        preview(local, customer=seller.customer(), **asked)
    assert param == refused.value.param
    assert param in refused.value.message


def test_credits_pay_of_usage_in_a_preview_and_stay(
    local: LocalStripe, seller: Seller
) -> None:
    """The fee is not theirs to pay, and nothing is written down."""
    product = seller.product()
    metered = seller.metered_price(seller.meter(), product, unit_amount=1)
    customer = seller.customer()
    seller.subscription(customer, metered, seller.licensed_price(product))
    seller.event(customer, "300")
    seller.credits(customer, 500)

    for _ in range(2):
        invoice = preview(local, customer=customer)
        assert (
            invoice["subtotal"],
            invoice["total"],
            invoice["amount_due"],
        ) == (1300, 1000, 1000)
        [credit] = invoice["total_pretax_credit_amounts"]
        assert (credit["amount"], credit["credit_balance_transaction"]) == (300, None)
