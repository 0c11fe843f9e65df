"""The plan of a catalogue: what is done to an account, what cannot be, what is left."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.support.selling import (
    FORMS,
    account_of,
    declared,
    meter,
    price,
    product,
)

from meterdeck.core.model.catalogue import Account, Catalogue, PriceUsers
from meterdeck.core.model.catalogue_plan import asked_about, plan
from meterdeck.core.model.catalogue_prices import REPLACED_MARK
from meterdeck.core.model.catalogue_steps import (
    CataloguePlan,
    ChangePrice,
    EndPrice,
    ReplacePrice,
)
from meterdeck.core.model.prices import (
    KEY_MARK,
    Formula,
    Interval,
    PerUnit,
    PriceForm,
    PriceInfo,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.usage import TenantId

SOLD = declared(meter(), product(), price())
CALLS, API, UNIT = "prod_api", "mtr_calls", "price_unit"


def said(found: CataloguePlan) -> list[str]:
    """Return the steps in short: what is done to what."""
    return [f"{each.doing} {each.thing} {each.name}" for each in found.steps]


def changed(found: CataloguePlan) -> list[tuple[str, object, object]]:
    """Return the changes of the one step."""
    (step,) = found.steps
    changes = getattr(step, "changes", ())
    return [(each.field, each.before, each.after) for each in changes]


def with_price(account: Account, **more: Any) -> Account:
    """Return the account with its first price otherwise."""
    first, *rest = account.prices
    return replace(account, prices=(replace(first, **more), *rest))


def with_default(account: Account, price_id: str) -> Account:
    """Return the account with a default price of its first product."""
    first, *rest = account.products
    return replace(account, products=(replace(first, default_price=price_id), *rest))


def test_an_empty_account_gets_everything_in_an_order_that_works() -> None:
    """Meters and products before their prices; inactive ones end when all is there."""
    catalogue = declared(
        meter(), meter("old", active=False), product(active=False), price()
    )

    assert said(plan(catalogue, Account())) == [
        "create meter calls",
        "create meter old",
        "create product prod_api",
        "create price unit",
        "archive product prod_api",
        "archive meter old",
    ]


@pytest.mark.parametrize("currency", ["usd", "jpy", "kwd"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_as_declared_has_no_steps(form: PriceForm, currency: str) -> None:
    """Of every form, in every kind of currency, metered or not."""
    catalogue = declared(
        meter(event_time_window="day"),
        product(description="All", unit_label="call"),
        price(form=form, currency=currency, nickname="n", tax_behavior="exclusive"),
        price("fee", form, meter="", currency=currency, interval=Interval.ONE_TIME),
    )

    found = plan(catalogue, account_of(catalogue))

    assert found.agrees
    assert found == CataloguePlan(())


def test_amounts_are_compared_as_numbers() -> None:
    """0.5 and 0.50 are one price."""
    cheap, same = PerUnit(Decimal("0.5")), PerUnit(Decimal("0.50"))
    catalogue = declared(meter(), product(), price(form=cheap))

    assert plan(
        catalogue, account_of(declared(meter(), product(), price(form=same)))
    ).agrees


def test_names_are_changed_where_they_are() -> None:
    """What Stripe can change is changed, field by field."""
    catalogue = declared(
        meter(display_name="API calls"),
        product(title="API", description="All", unit_label="call"),
        price(nickname="By the call", tax_behavior="inclusive"),
    )

    found = plan(catalogue, account_of(SOLD))

    assert [
        (each.field, each.before, each.after)
        for step in found.steps
        for each in getattr(step, "changes", ())
    ] == [
        ("display_name", "calls", "API calls"),
        ("name", "api", "API"),
        ("description", "", "All"),
        ("unit_label", "", "call"),
        ("nickname", "", "By the call"),
        ("tax_behavior", "", "inclusive"),
    ]
    assert {each.doing.value for each in found.steps} == {"change"}


def test_what_a_price_does_not_declare_is_left_as_it_is() -> None:
    """A nickname and a tax behaviour that somebody gave it stay."""
    account = with_price(account_of(SOLD), nickname="Old", tax_behavior="exclusive")

    assert plan(SOLD, account).agrees


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"form": FORMS[2]}, "amount"),
        ({"currency": "eur"}, "amount"),
        ({"interval": Interval.YEAR}, "interval"),
        ({"interval_count": 3}, "interval_count"),
        ({"meter": "other"}, "meter"),
        ({"meter": ""}, "meter"),
        ({"product": "web"}, "product"),
        ({"tax_behavior": "inclusive"}, "tax_behavior"),
    ],
)
def test_what_a_price_cannot_change_is_replaced(
    more: dict[str, Any], field: str
) -> None:
    """Amounts, currency, interval, meter, product, a tax behaviour that was set."""
    around = (meter(), meter("other"), product(), product("web"))
    account = with_price(
        account_of(declared(*around, price())), tax_behavior="exclusive"
    )

    found = plan(declared(*around, price(**more)), account)

    assert said(found) == ["replace price unit"]
    assert [each[0] for each in changed(found)] == [field]
    assert not found.problems
    assert asked_about(found) == (UNIT,)


def test_nobody_is_asked_who_is_on_a_price_that_is_billed_once() -> None:
    """It has no subscriptions."""
    once, other = (
        declared(product(), price(form=form, meter="", interval=Interval.ONE_TIME))
        for form in FORMS[:2]
    )

    found = plan(once, account_of(other))

    assert said(found) == ["replace price unit"]
    assert asked_about(found) == ()


def test_a_price_of_a_kind_not_reckoned_with_is_replaced() -> None:
    """Such as one whose amount the customer chooses, under the same lookup key."""
    account = with_price(account_of(SOLD), form=None)

    assert said(plan(SOLD, account)) == ["replace price unit"]


def test_the_default_price_of_a_product_moves_first() -> None:
    """A replacement says whose default it takes over; without one product it cannot."""
    dear = declared(meter(), product(), product("web"), price(form=FORMS[0]))
    elsewhere = declared(meter(), product(), product("web"), price(product="web"))
    account = with_default(account_of(SOLD), UNIT)

    found = plan(dear, account)
    moved = plan(elsewhere, account)
    ended = plan(declared(meter(), product(), price(active=False)), account)

    replaced = found.steps[-1]
    assert isinstance(replaced, ReplacePrice)
    assert replaced.default_of == "prod_api"
    assert [each.where for each in moved.problems] == ["prices.unit"]
    assert "default price of product prod_api" in ended.problems[0].why


def test_a_run_that_was_cut_short_is_ended() -> None:
    """The old price has a mark, and the lookup key has moved: it is archived."""
    account = account_of(SOLD)
    old = PriceInfo(
        "price_old", "prod_api", "usd", FORMS[0], metadata={REPLACED_MARK: "unit"}
    )
    account = replace(account, prices=(old, *account.prices))

    found = plan(SOLD, with_default(account, "price_old"))

    assert found.steps == (EndPrice("unit", old, "prod_api"),)
    assert plan(SOLD, replace(account, prices=account.prices[1:])).agrees


def test_a_price_that_was_created_twice_is_ended() -> None:
    """A request that was thought lost came late: its twin of the same terms ends."""
    account = account_of(SOLD)
    (holder,) = account.prices
    marks = {KEY_MARK: "unit"}
    twin = replace(holder, id="price_twin", lookup_key="", metadata=marks)
    other = replace(twin, id="price_other", form=FORMS[0])
    account = replace(account, prices=(twin, holder, other))

    found = plan(SOLD, account)

    assert found.steps == (EndPrice("unit", twin),)
    assert found.left_alone.prices == (other,)


def test_a_mark_is_taken_off_when_the_replacement_is_not_wanted_any_more() -> None:
    """The old price still has its key, and the declaration went back to it."""
    account = with_price(account_of(SOLD), metadata={REPLACED_MARK: "unit"})

    found = plan(SOLD, account)

    assert changed(found) == [(REPLACED_MARK, "unit", "")]


def test_an_archived_price_is_sold_again() -> None:
    """Its key and its form are the declared ones; it is not created twice."""
    found = plan(SOLD, with_price(account_of(SOLD), active=False))

    assert isinstance(found.steps[0], ChangePrice)
    assert changed(found) == [("active", False, True)]


def test_a_price_is_archived_when_it_is_declared_inactive() -> None:
    """And it stays archived."""
    catalogue = declared(meter(), product(), price(active=False))

    assert changed(plan(catalogue, account_of(SOLD))) == [("active", True, False)]
    assert plan(catalogue, account_of(catalogue)).agrees


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"formula": Formula.LAST}, 'the formula of meter calls from "sum" to "last"'),
        ({"customer_key": "who"}, "the customer_key of meter calls"),
        ({"value_key": "n"}, "the value_key of meter calls"),
        ({"event_time_window": "day"}, "the event_time_window of meter calls"),
    ],
)
def test_what_a_meter_cannot_change_is_a_problem(
    more: dict[str, Any], sentence: str
) -> None:
    """It says how another meter takes its place."""
    found = plan(declared(meter(**more)), account_of(declared(meter())))

    (problem,) = found.problems
    assert problem.where == "meters.calls"
    assert sentence in problem.why
    assert 'replaces = "calls"' in problem.why
    assert not found.steps


def test_a_meter_takes_events_again() -> None:
    """Active and inactive are both declared."""
    on, off = declared(meter()), declared(meter(active=False))

    assert said(plan(on, account_of(off))) == ["change meter calls"]
    assert said(plan(off, account_of(on))) == ["archive meter calls"]


def moved() -> Catalogue:
    """Return a catalogue in which another meter stands in for `calls`."""
    new = meter("new", event_name="calls_v2", replaces="calls")
    return declared(new, product(), price(meter="new"))


def test_a_meter_that_is_replaced_ends_when_its_prices_have_moved() -> None:
    """At last, and the step says by which meter."""
    found = plan(moved(), account_of(SOLD))

    assert said(found) == [
        "create meter calls_v2",
        "replace price unit",
        "archive meter calls",
    ]
    assert getattr(found.steps[-1], "replaced_by", "") == "calls_v2"
    assert plan(moved(), Account()).notes == (
        "meters.new replaces calls, which Stripe does not have",
    )


def test_a_meter_goes_on_while_subscriptions_are_billed_by_it() -> None:
    """Nobody's usage is lost: whoever stays on the old price is counted on."""
    users = {UNIT: PriceUsers(UNIT, 2, tenants=(TenantId("acme"),))}

    found = plan(moved(), account_of(SOLD), users)

    assert said(found)[-1] == "replace price unit"
    (note,) = found.notes
    assert "2 still are" in note


@pytest.mark.parametrize(
    ("catalogue", "sentence"),
    [
        (
            declared(meter("new", replaces="calls"), product()),
            "still has prices that are not declared: unit",
        ),
        (
            declared(meter(), meter("new", replaces="calls"), product(), price()),
            "which is declared as well",
        ),
    ],
)
def test_a_meter_that_is_needed_is_not_replaced(
    catalogue: Catalogue, sentence: str
) -> None:
    """Neither under prices that nobody declared, nor under its own declaration."""
    found = plan(catalogue, account_of(SOLD))

    assert [sentence in each.why for each in found.problems] == [True]


def test_no_price_is_made_on_a_meter_that_stays_inactive() -> None:
    """Stripe refuses it, so it is said before."""
    off = declared(meter(active=False), product())
    catalogue = declared(meter(active=False), product(), price())

    found = plan(catalogue, account_of(off))

    assert "active meters only" in found.problems[0].why


def test_what_is_not_declared_is_left_alone_and_named() -> None:
    """Only what is active: what is over needs no word."""
    theirs = declared(
        meter("their_events"), product("theirs"), price("their_fee", product="theirs")
    )
    account = account_of(
        declared(
            meter(),
            product(),
            price(),
            *theirs.meters.values(),
            *theirs.products.values(),
            *theirs.prices.values(),
            price("over", active=False),
        )
    )

    found = plan(SOLD, account)

    assert found.agrees
    assert [each.event_name for each in found.left_alone.meters] == ["their_events"]
    assert [each.id for each in found.left_alone.products] == ["prod_theirs"]
    assert [each.lookup_key for each in found.left_alone.prices] == ["their_fee"]


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda account: replace(account, products=()),
        lambda account: with_price(account, form=FORMS[1]),
        lambda account: with_price(account, id="price_other"),
    ],
)
def test_a_plan_of_another_account_is_another_plan(
    otherwise: Callable[[Account], Account],
) -> None:
    """Who uses a price and what is left alone make none."""
    dear = declared(meter(), product(), price(form=FORMS[0]))
    account = account_of(SOLD)
    users = {UNIT: PriceUsers(UNIT, 2)}
    more = replace(account, meters=(*account.meters, *account_of(moved()).meters))

    assert plan(dear, account, users) == plan(dear, more)
    assert plan(dear, account) != plan(dear, otherwise(account))


def test_tiers_are_another_price_when_one_bound_differs() -> None:
    """Every part of a form counts."""
    tiers = (Tier(10, Decimal(2)), Tier(None, Decimal(1)))
    first = Tiered(TiersMode.GRADUATED, tiers)
    second = Tiered(TiersMode.GRADUATED, (replace(tiers[0], up_to=11), tiers[1]))

    found = plan(
        declared(meter(), product(), price(form=second)),
        account_of(declared(meter(), product(), price(form=first))),
    )

    assert said(found) == ["replace price unit"]
