"""What if: another plan, another price, another usage of the running period."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.support.billed import MONTHLY
from tests.support.shop import RESOURCES, Shop, so_far

from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.costs import Basis
from meterdeck.core.model.prices import KEY_MARK
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.model.what_if import WhatIf
from meterdeck.core.services.engine import Engine


async def test_another_plan_brings_its_own_prices_and_leaves_what_no_plan_names(
    shop: Shop,
) -> None:
    """The fee of the plan before goes, its usage price is replaced, others stay."""
    fee = shop.price(unit_amount=1000, lookup_key="basic_fee")
    units = shop.price("units", unit_amount=100, lookup_key="units_before")
    volume = shop.price("volume", unit_amount=1)
    shop.price(unit_amount=5000, lookup_key="rich_fee")
    shop.price("units", unit_amount=10, lookup_key="rich_units")
    tenant = await shop.tenant("acme", fee, units, volume)
    await shop.engine.usage.consume("acme", {"units": 8_000, "volume": 3_000})

    found = await shop.engine.costs.what_if(tenant, WhatIf(plan="rich"))

    assert str(found.before.totals[0].so_far) == "18.03 USD"
    after = {each.item.price.lookup_key: so_far(each) for each in found.after.items}
    assert after == {"": "0.03 USD", "rich_fee": "50.00 USD", "rich_units": "0.80 USD"}
    assert found.notes == ("kept beside the prices of rich: Volume",)
    with pytest.raises(Refused, match="names no price of plan vague"):
        await shop.engine.costs.what_if(tenant, WhatIf(plan="vague"))
    with pytest.raises(NotFound, match="no plan richer; it has: basic, rich, vague"):
        await shop.engine.costs.what_if(tenant, WhatIf(plan="richer"))


async def test_a_price_that_was_replaced_goes_with_the_plan_it_tells(
    shop: Shop,
) -> None:
    """Its key is another price's by now, and it has it in its metadata."""
    fee = shop.price(unit_amount=1000, metadata={KEY_MARK: "basic_fee"})
    shop.price(unit_amount=5000, lookup_key="rich_fee")
    tenant = await shop.tenant("acme", fee)

    found = await shop.engine.costs.what_if(tenant, WhatIf(plan="rich"))

    assert [so_far(each) for each in found.after.items] == ["50.00 USD"]


async def test_another_price_takes_the_place_of_what_bills_the_same(shop: Shop) -> None:
    """By key or id, or only declared; another currency is refused."""
    calls = shop.price(MONTHLY.meter, unit_amount=1)
    dear = shop.price(MONTHLY.meter, unit_amount=2)
    yen = shop.price(MONTHLY.meter, "jpy", unit_amount=2, lookup_key="yen")
    tenant = await shop.tenant("acme", calls)
    await shop.engine.usage.consume("acme", {MONTHLY.name: 100})

    async def after(*prices: str) -> list[str]:
        wanted = WhatIf(prices=prices)
        found = await shop.engine.costs.what_if(tenant, wanted)
        return [so_far(each) for each in found.after.items]

    assert await after(dear) == ["2.00 USD"]
    assert await after("calls_2027") == ["3.00 USD"]
    assert await after(dear, "calls_2027") == ["3.00 USD"]
    with pytest.raises(Refused, match="in JPY, and this subscription is billed in USD"):
        await after("yen")
    with pytest.raises(NotFound, match="neither Stripe nor the configuration"):
        await after("no_such_price")
    found = await shop.engine.costs.what_if(tenant, WhatIf(prices=("dreamt",)))
    assert found.after.items[1].problem == "Stripe has no meter not_there_yet"
    assert found.after.totals[0].unknown == 1
    assert yen not in {each.item.price.id for each in found.after.items}


async def test_another_usage_is_for_the_whole_period_or_up_to_now(shop: Shop) -> None:
    """The quantity is said to be given; less than is used by the end is refused."""
    tenant = await shop.tenant("acme", shop.price("units", unit_amount=100))
    await shop.engine.usage.consume("acme", {"units": 2_000})
    costs, more = shop.engine.costs, {"units": Decimal("7.5")}

    by_the_end = (await costs.what_if(tenant, WhatIf(usage=more))).after.totals[0]
    so_far = (await costs.what_if(tenant, WhatIf(usage=more, so_far=True))).after

    assert str(by_the_end.so_far) == "2.00 USD"
    assert str(by_the_end.at_end) == "7.50 USD"
    assert str(so_far.totals[0].so_far) == "7.50 USD"
    assert so_far.items[0].measured.basis is Basis.GIVEN
    with pytest.raises(BadInput, match="more than 1 is used already"):
        await costs.what_if(tenant, WhatIf(usage={"units": Decimal(1)}))
    with pytest.raises(BadInput, match="bills volume; it bills: units"):
        await costs.what_if(tenant, WhatIf(usage={"volume": Decimal(1)}))


async def test_of_resources_on_one_meter_it_is_said_what_they_use_together(
    shop: Shop,
) -> None:
    """One of them alone says nothing of the sum, in whatever order they are named."""
    units = RESOURCES[0]
    batch = replace(units, name=ResourceName("batch"), meter="requests")
    calls = replace(units, name=ResourceName("calls"), meter="requests")
    tenant = await shop.tenant("acme", shop.price("requests", unit_amount=100))
    context = replace(shop.billed.context, resources=(calls, batch))

    async with Engine(context) as engine:
        await engine.usage.consume("acme", {"calls": 1_000, "batch": 2_000})
        before = await engine.costs.of(tenant)

        async def used(**usage: int) -> str:
            named = {name: Decimal(each) for name, each in usage.items()}
            found = await engine.costs.imagine(before, WhatIf(usage=named))
            return str(found.after.totals[0].at_end)

        assert await used(calls=10, batch=20) == "30.00 USD"
        assert await used(batch=20, calls=10) == "30.00 USD"
        assert await used(requests=30) == "30.00 USD"
        for name in ("calls", "batch"):
            with pytest.raises(BadInput, match="calls, batch together"):
                await used(**{name: 20})
