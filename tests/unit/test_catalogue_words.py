"""A plan's steps in words."""

from dataclasses import replace
from decimal import Decimal

from tests.support.selling import FORMS, account_of, declared, meter, price, product

from meterdeck.core.model.catalogue import Account, Catalogue, PriceUsers
from meterdeck.core.model.catalogue_plan import plan
from meterdeck.core.model.prices import Interval, PerUnit
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.catalogue_words import (
    effect_words,
    left_alone_words,
    step_words,
    users_words,
)

SOLD = declared(meter(), product(), price())


def words(catalogue: Catalogue, account: Account) -> list[str]:
    """Return the words of every step."""
    found = plan(catalogue, account)
    return [line for step in found.steps for line in step_words(step)]


def test_a_price_of_another_form_is_told_from_the_old_to_the_new() -> None:
    """Where the tiers are not the same ones, both are shown whole."""
    graduated = declared(meter(), product(), price(form=FORMS[2], currency="kwd"))
    yearly = price(meter="", interval=Interval.YEAR, interval_count=2)

    assert words(graduated, account_of(SOLD)) == [
        "from 0.01 USD a unit",
        "to graduated",
        "  to 10  0.002 KWD + 0.100 KWD flat",
        "  then   0.001 KWD",
    ]
    assert words(declared(meter(), product(), yearly), account_of(SOLD)) == [
        "interval: month → year",
        "meter: calls → none",
    ]


def test_packages_and_yen_are_written_as_they_are_sold() -> None:
    """`begun` and `full` packages; a currency without cents has none."""
    yen = PerUnit(Decimal(1500))
    catalogue = declared(
        product(),
        price("bulk", FORMS[1], meter=""),
        price("yen", yen, meter="", currency="jpy", interval_count=3),
    )

    assert words(catalogue, account_of(declared(product()))) == [
        "5.00 USD each full 1,000, monthly",
        "1500 JPY, every 3 months",
    ]


def test_who_is_billed_by_what_ends_is_said() -> None:
    """Of a meter, that nothing of theirs is billed any more."""
    off = declared(meter(active=False), product(), price())
    one = PriceUsers("price_unit", 1, tenants=(TenantId("acme"),))
    (step,) = plan(off, account_of(SOLD)).steps
    dear = declared(meter(), product(), price(form=FORMS[0]))
    (replaced,) = plan(dear, account_of(SOLD)).steps

    assert effect_words(step, one) == (
        "billed by it, and for nothing more from then on: 1 subscription (acme)"
    )
    assert effect_words(replaced, one) == ("1 subscription (acme) stays on price_unit")
    assert effect_words(replaced, PriceUsers("price_unit")) == (
        "no subscription is on price_unit"
    )
    many = replace(one, subscriptions=1_000, more=True)
    assert users_words(many) == "1,000 or more subscriptions (acme, …)"


def test_what_is_left_alone_is_counted_and_the_first_are_named() -> None:
    """A long account does not fill the screen."""
    names = [meter(name) for name in ("a", "b", "c", "d")]

    assert left_alone_words(account_of(declared(*names, product()))) == (
        "4 meters (a, b, c, …); 1 product (prod_api)"
    )
