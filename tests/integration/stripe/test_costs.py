"""Costs against a local Stripe."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.billed import CYCLED, EXACT, MONTHLY
from tests.support.stripe_side import StripeSide

from meterdeck.core.model.context import Context
from meterdeck.core.services.engine import Engine


@pytest.fixture
async def engine(context: Context, stripe: StripeSide) -> AsyncIterator[Engine]:
    """An engine."""
    context = replace(context, resources=(MONTHLY, CYCLED, EXACT))
    async with Engine(context) as engine:
        yield engine


async def test_it(engine: Engine, stripe: StripeSide) -> None:
    """It."""
    jobs, gb = stripe.seller.meter("jobs"), stripe.seller.meter("gigabytes")
    product = stripe.product
    price = stripe.seller.metered_price(
        jobs,
        product,
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=[
            {"up_to": 1000, "unit_amount": 1},
            {"up_to": 10000, "unit_amount_decimal": "0.5"},
            {"up_to": "inf", "unit_amount_decimal": "0.1"},
        ],
    )
    price2 = stripe.seller.metered_price(gb, product)
    customer = stripe.customer("acme")
    stripe.seller.subscription(customer, stripe.plain, stripe.pro, price, price2)
    await engine.directory.refresh()
    tenant = await engine.directory.get("acme")
    await engine.usage.consume(
        "acme", {"jobs": 25000, "gigabytes": 1500, "api_calls": 7}
    )
    cost = await engine.costs.of(tenant)
    for item in cost.items:
        print(
            item.label,
            item.measured,
            item.so_far and item.so_far.total,
            item.forecast,
            item.next_unit,
            item.next_thousand,
            item.problem,
        )
    print(cost.totals)
