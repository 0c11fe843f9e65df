"""What a change is worth, for its approval, beside what Stripe then asks for it."""

from dataclasses import replace
from decimal import Decimal

from tests.support.shop import FORMS, RESOURCES, Shop

from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.request_rules import RequestOptions
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.judging import Judge
from meterdeck.core.services.requests.worth import Worth

BEFORE, MORE = 800_000, 1_234_567
"""In thousandths: the change passes a tier, a package, and a limit of volumes."""


async def test_a_change_is_worth_what_stripe_then_asks_for_it_in_every_form_of_price(
    shop: Shop,
) -> None:
    """Per unit, packages up and down, graduated and volume, to the cent; and above the
    threshold by a cent somebody else has to approve it."""
    prices = {name: shop.price(name, "usd", **terms) for name, terms in FORMS.items()}
    tenant = await shop.tenant("acme", *prices.values())
    await shop.engine.usage.consume("acme", dict.fromkeys(FORMS, BEFORE))
    await shop.billed.work()
    before = await shop.engine.costs.preview(tenant)
    context, redis = shop.engine.context, shop.billed.redis
    worth = Worth(context, shop.engine.costs)

    found = {each.name: await worth.of(tenant, each.name, MORE) for each in RESOURCES}
    less = await worth.of(tenant, ResourceName("units"), -BEFORE - 1)

    async def why(cents: int) -> str:
        rules = RequestOptions(above_percent=None, above_money=Decimal(cents) / 100)
        judge = Judge(
            redis, replace(context, requests=rules), OperatorChanges(redis, context),
            worth,
        )  # fmt: skip
        wish = Adjustment(
            tenant.id, ResourceName("units"), AdjustKind.ADD, MORE, None,
            Bill.QUOTA_AND_BILL, "why",
        )  # fmt: skip
        return (await judge.judge(wish)).why

    cents = int((found[ResourceName("units")] or 0) * 100)
    assert (await why(cents), await why(cents - 1)) == (
        "",
        f"it is worth more than {Decimal(cents - 1) / 100}",
    )
    await shop.engine.usage.consume("acme", dict.fromkeys(FORMS, MORE))
    await shop.billed.work()
    after = await shop.engine.costs.preview(tenant)
    asked = {
        name: Decimal(after.by_price[price] - before.by_price[price]) / 100
        for name, price in prices.items()
    }
    assert found == asked
    assert less == -Decimal(before.by_price[prices["units"]]) / 100
