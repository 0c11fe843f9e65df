"""Two engines that share no line reckon alike: meterdeck's and the local Stripe's."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from tests.support.price_forms import FORMS, QUANTITIES

from meterdeck.core.local_stripe.invoice_amounts import charges
from meterdeck.core.local_stripe.records import Amount, Price, Tier
from meterdeck.core.model.prices import Package, PerUnit, PriceForm, Tiered
from meterdeck.core.model.pricing import bill


def _sold(form: PriceForm) -> Price:
    """Give the price as the local Stripe keeps it."""
    price: dict[str, object] = {}
    match form:
        case PerUnit(unit):
            price = {"unit": Amount(cents=unit)}
        case Package(amount, size, side):
            price = {
                "unit": Amount(cents=amount),
                "divide_by": size,
                "round_to": side.value,
            }
        case Tiered(mode, tiers):
            price = {
                "unit": Amount(cents=None),
                "tiers_mode": mode.value,
                "tiers": tuple(
                    Tier(each.up_to, Amount(cents=each.unit), Amount(cents=each.flat))
                    for each in tiers
                ),
            }
    return Price(
        id="price_1",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        product="prod_1",
        currency="usd",
        **price,  # type: ignore[arg-type]  # by the form
    )


@settings(max_examples=150, deadline=None)
@given(FORMS, QUANTITIES)
def test_a_preview_has_the_lines_that_the_engine_has(
    form: PriceForm, quantity: Decimal
) -> None:
    """Amount by amount, flat ones too, for every form of price."""
    previewed = charges(_sold(form), quantity)
    reckoned = bill(form, quantity).lines

    assert [charge.amount for charge in previewed] == [
        int(line.amount) for line in reckoned
    ]
    assert [charge.flat for charge in previewed] == [line.flat for line in reckoned]
