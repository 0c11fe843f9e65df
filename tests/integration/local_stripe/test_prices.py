"""Products and prices: every way to charge, and what Stripe refuses."""

from decimal import Decimal

import pytest
import stripe
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


async def test_a_fraction_of_a_cent_has_no_whole_amount(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """0.1 cent is null and "0.1"; 25 dollars are 2500 and "2500"."""
    meter, product = seller.meter(), seller.product()

    small = await client.v1.prices.create_async(
        {
            "product": product,
            "currency": "usd",
            "unit_amount_decimal": Decimal("0.1"),
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        }
    )
    whole = await client.v1.prices.create_async(
        {
            "product": product,
            "currency": "usd",
            "unit_amount": 2500,
            "recurring": {"interval": "month"},
        }
    )

    assert (None, Decimal("0.1")) == (small.unit_amount, small.unit_amount_decimal)
    assert (2500, Decimal(2500)) == (whole.unit_amount, whole.unit_amount_decimal)
    assert small.recurring is not None
    assert (meter, "metered") == (small.recurring.meter, small.recurring.usage_type)
    assert whole.recurring is not None
    assert (
        whole.recurring.meter,
        whole.recurring.usage_type,
        whole.recurring.interval_count,
    ) == (None, "licensed", 1)
    assert (small.billing_scheme, small.type) == ("per_unit", "recurring")


@pytest.mark.parametrize("mode", ["graduated", "volume"])
async def test_tiers_show_only_when_expanded(
    client: stripe.StripeClient, seller: Seller, mode: str
) -> None:
    """A tiered price hides its tiers; the last one's up_to is null."""
    price_id = seller.metered_price(
        seller.meter(),
        seller.product(),
        billing_scheme="tiered",
        tiers_mode=mode,
        tiers=[
            {"up_to": 1000, "unit_amount": 0, "flat_amount": 500},
            {"up_to": "inf", "unit_amount_decimal": "0.25"},
        ],
    )

    plain = await client.v1.prices.retrieve_async(price_id)
    expanded = await client.v1.prices.retrieve_async(price_id, {"expand": ["tiers"]})

    assert "tiers" not in plain.to_dict()
    assert (mode, None) == (plain.tiers_mode, plain.unit_amount)
    assert plain.billing_scheme == "tiered"
    assert expanded.tiers is not None
    assert [
        (1000, 0, Decimal(0), 500, Decimal(500)),
        (None, None, Decimal("0.25"), None, None),
    ] == [
        (
            tier.up_to,
            tier.unit_amount,
            tier.unit_amount_decimal,
            tier.flat_amount,
            tier.flat_amount_decimal,
        )
        for tier in expanded.tiers
    ]


async def test_packages_divide_the_quantity(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """transform_quantity comes back, on the plan as transform_usage."""
    price_id = seller.metered_price(
        seller.meter(),
        seller.product(),
        transform_quantity={"divide_by": 1000, "round": "up"},
    )

    price = await client.v1.prices.retrieve_async(price_id)

    assert price.transform_quantity is not None
    assert (
        price.transform_quantity.divide_by,
        price.transform_quantity.round,
    ) == (1000, "up")


_RECURRING = {"interval": "month"}
_TIERS = [{"up_to": "inf", "unit_amount": 1}]
_REFUSED: list[tuple[dict[str, object], str, str]] = [
    (
        {"recurring": {"interval": "month", "usage_type": "metered"}},
        "Metered prices must be backed by a meter.",
        "recurring[meter]",
    ),
    (
        {
            "recurring": {
                "interval": "month",
                "usage_type": "metered",
                "aggregate_usage": "sum",
            }
        },
        "Received unknown parameter: recurring[aggregate_usage]",
        "recurring[aggregate_usage]",
    ),
    (
        {
            "recurring": {
                "interval": "month",
                "usage_type": "metered",
                "meter": "mtr_x",
            }
        },
        "No such billing meter: 'mtr_x'",
        "recurring[meter]",
    ),
    (
        {"unit_amount_decimal": "1.5"},
        "You may only specify one of these parameters: unit_amount, unit_amount_dec",
        "",
    ),
    ({"unit_amount": None}, "Missing required param: unit_amount.", "unit_amount"),
    (
        {"unit_amount": -1},
        "This value must be greater than or equal to 0.",
        "unit_amount",
    ),
    ({"unit_amount": "1.5"}, "Invalid integer: 1.5", "unit_amount"),
    (
        {"unit_amount": None, "unit_amount_decimal": "0.1234567890123"},
        "Invalid decimal: 0.1234567890123; must contain at most 12 decimal places.",
        "unit_amount_decimal",
    ),
    ({"tiers": _TIERS}, "`tiers` can only be set when `billing_scheme`", "tiers"),
    (
        {"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": _TIERS},
        "`unit_amount` can't be set when `billing_scheme` is `tiered`.",
        "unit_amount",
    ),
    (
        {
            "unit_amount": None,
            "billing_scheme": "tiered",
            "tiers_mode": "volume",
            "tiers": _TIERS,
            "transform_quantity": {"divide_by": 10, "round": "up"},
        },
        "`transform_quantity` can't be set when `billing_scheme` is `tiered`.",
        "transform_quantity",
    ),
    (
        {"unit_amount": None, "billing_scheme": "tiered", "tiers": _TIERS},
        "Missing required param: tiers_mode.",
        "tiers_mode",
    ),
    (
        {
            "unit_amount": None,
            "billing_scheme": "tiered",
            "tiers_mode": "volume",
            "tiers": [{"up_to": 10, "unit_amount": 1}],
        },
        "The last tier, and only it, must have `up_to` as `inf`.",
        "tiers",
    ),
    (
        {
            "unit_amount": None,
            "billing_scheme": "tiered",
            "tiers_mode": "volume",
            "tiers": [
                {"up_to": 10, "unit_amount": 1},
                {"up_to": 10, "unit_amount": 1},
                *_TIERS,
            ],
        },
        "Tiers must have ascending `up_to` values.",
        "tiers",
    ),
    (
        {
            "unit_amount": None,
            "billing_scheme": "tiered",
            "tiers_mode": "volume",
            "tiers": [{"up_to": "inf"}],
        },
        "Missing required param: tiers[0][unit_amount].",
        "tiers[0][unit_amount]",
    ),
    ({"currency": "dollars"}, "Invalid currency: dollars.", "currency"),
    (
        {"recurring": {"interval": "fortnight"}},
        "Invalid recurring[interval]: must be one of day, month, week, or year",
        "recurring[interval]",
    ),
    ({"product": "prod_x"}, "No such product: 'prod_x'", "product"),
    ({"product": None}, "Missing required param: product.", "product"),
    (
        {"nickname": ""},
        "You passed an empty string for 'nickname'.",
        "nickname",
    ),
    (
        {"custom_unit_amount": {"enabled": True}},
        "The local Stripe does not support the parameter custom_unit_amount",
        "custom_unit_amount",
    ),
]


@pytest.mark.parametrize(("change", "text", "param"), _REFUSED)
def test_a_refused_price_says_why(
    local: LocalStripe,
    seller: Seller,
    change: dict[str, object],
    text: str,
    param: str,
) -> None:
    """Each rule has its text and names its parameter; nothing is created."""
    price = {
        "product": seller.product(),
        "currency": "usd",
        "unit_amount": 1,
        "recurring": _RECURRING,
        **change,
    }

    with pytest.raises(LocalStripeRefusal) as refused:
        local.call("POST", "/v1/prices", price)

    assert refused.value.message.startswith(text)
    assert (400, param) == (refused.value.status, refused.value.param)
    assert local.call("GET", "/v1/prices", {})["data"] == []


async def test_a_lookup_key_finds_its_price_and_moves_when_told(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """A taken key is refused; transfer_lookup_key takes it from the older price."""
    product = seller.product()
    first = seller.licensed_price(product, lookup_key="pro")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.prices.create_async(
            {
                "product": product,
                "currency": "usd",
                "unit_amount": 5,
                "lookup_key": "pro",
            }
        )
    second = await client.v1.prices.create_async(
        {
            "product": product,
            "currency": "usd",
            "unit_amount": 5,
            "lookup_key": "pro",
            "transfer_lookup_key": True,
        }
    )
    found = await client.v1.prices.list_async({"lookup_keys": ["pro", "none"]})

    assert f"`{first}`" in (refused.value.user_message or "")
    assert [second.id] == [price.id for price in found.data]
    assert None is (await client.v1.prices.retrieve_async(first)).lookup_key


async def test_prices_are_filtered(client: stripe.StripeClient, seller: Seller) -> None:
    """By product, meter, usage type, whether they are active."""
    meter = seller.meter()
    one, other = seller.product("One"), seller.product("Other")
    metered = seller.metered_price(meter, one)
    licensed = seller.licensed_price(other)
    await client.v1.prices.update_async(licensed, {"active": False})

    async def ids(params: stripe.params.PriceListParams) -> list[str]:
        return [price.id for price in (await client.v1.prices.list_async(params)).data]

    assert [metered] == await ids({"product": one})
    assert [metered] == await ids({"recurring": {"meter": meter}})
    assert [licensed] == await ids({"recurring": {"usage_type": "licensed"}})
    assert [metered] == await ids({"active": True})
    assert [licensed] == await ids({"active": False, "type": "recurring"})
    assert await ids({"currency": "eur"}) == []


async def test_a_product_is_made_with_its_price(client: stripe.StripeClient) -> None:
    """default_price_data on a product, product_data on a price."""
    product = await client.v1.products.create_async(
        {
            "name": "Pro",
            "default_price_data": {
                "currency": "usd",
                "unit_amount": 900,
                "recurring": {"interval": "year"},
            },
            "expand": ["default_price"],
        }
    )
    price = await client.v1.prices.create_async(
        {"currency": "usd", "unit_amount": 1, "product_data": {"name": "Made"}}
    )
    assert isinstance(product.default_price, stripe.Price)
    made = await client.v1.products.retrieve_async(str(price.product))

    assert (900, product.id) == (
        product.default_price.unit_amount,
        product.default_price.product,
    )
    assert (made.name, price.type, price.recurring) == ("Made", "one_time", None)


async def test_products_are_changed_and_deleted(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """A product with a price cannot be deleted; one without is then unknown."""
    kept, dropped = seller.product("Kept"), seller.product("Dropped")
    seller.licensed_price(kept)

    changed = await client.v1.products.update_async(
        kept, {"name": "New", "description": "Words", "metadata": {"a": "1"}}
    )
    cleared = await client.v1.products.update_async(kept, {"description": ""})
    deleted = await client.v1.products.delete_async(dropped)
    with pytest.raises(stripe.InvalidRequestError, match="user-created prices"):
        await client.v1.products.delete_async(kept)
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await client.v1.products.retrieve_async(dropped)

    assert (
        changed.name,
        changed.description,
        changed.metadata.to_dict(),
    ) == ("New", "Words", {"a": "1"})
    assert (cleared.description, cleared.name) == (None, "New")
    assert deleted.deleted is True
    assert f"No such product: '{dropped}'" == missing.value.user_message
    assert (missing.value.http_status, missing.value.param) == (404, "id")


def test_a_default_price_is_not_archived(local: LocalStripe, seller: Seller) -> None:
    """Another price becomes the product's default first."""
    product = seller.product()
    price, other = seller.licensed_price(product), seller.licensed_price(product)
    local.call("POST", f"/v1/products/{product}", {"default_price": price})

    with pytest.raises(LocalStripeRefusal, match="default price of its product"):
        local.call("POST", f"/v1/prices/{price}", {"active": False})
    local.call("POST", f"/v1/products/{product}", {"default_price": other})

    assert local.call("POST", f"/v1/prices/{price}", {"active": False})["active"] is (
        False
    )
