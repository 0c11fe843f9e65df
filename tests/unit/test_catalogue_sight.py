"""What one sees of the catalogue: order, marks, warnings, who uses what."""

from dataclasses import replace
from decimal import Decimal

from meterdeck.core.model.catalogue import (
    Account,
    Catalogue,
    MeterSpec,
    PriceSpec,
    PriceUsers,
    ProductSpec,
)
from meterdeck.core.model.catalogue_sight import (
    Findings,
    Mark,
    MeterSight,
    compared,
    sight_of,
)
from meterdeck.core.model.prices import PerUnit, PriceForm, PriceInfo, ProductInfo
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.usage import TenantId

CENT = PerUnit(Decimal(1))
PRODUCT = ProductInfo("prod_api", "API")
CALLS = MeterInfo("mtr_1", "calls", "Calls", "sum", active=True)
OLD = MeterInfo("mtr_2", "old", "Another", "count", active=False)
IDLE = MeterInfo("mtr_3", "idle", "Idle", "sum", active=True)


def price(
    name: str, meter: str = "", form: PriceForm | None = CENT, *, active: bool = True
) -> PriceInfo:
    """Return a price."""
    return PriceInfo(
        name, PRODUCT.id, "usd", form, active, lookup_key=name, meter_id=meter
    )


ACCOUNT = Account(
    (OLD, CALLS, IDLE),
    (PRODUCT,),
    (
        price("fee"),
        price("b", "mtr_1", active=False),
        price("c", "mtr_1"),
        price("a", "mtr_1", form=None),
        price("gone", "mtr_2"),
    ),
)
DECLARED = Catalogue(
    {"calls": MeterSpec("calls", "calls", "Renamed")},
    {"api": ProductSpec("api", "prod_api", "API")},
    {
        "fee": PriceSpec("fee", "fee", "api", "usd", CENT),
        "c": PriceSpec("c", "c", "api", "usd", PerUnit(Decimal(2)), "calls"),
        "new": PriceSpec("new", "new", "api", "usd", CENT),
    },
)


def test_what_is_active_comes_first_and_prices_stand_with_their_meter() -> None:
    """By name; what bills no usage stands apart."""
    sight = sight_of(ACCOUNT, Catalogue(), Findings())

    assert [seen.meter.id for seen in sight.meters] == ["mtr_1", "mtr_3", "mtr_2"]
    assert [seen.price.id for seen in sight.meters[0].prices] == ["a", "c", "b"]
    assert [seen.price.id for seen in sight.fees] == ["fee"]
    assert {seen.mark for seen in sight.prices} == {Mark.NONE}


def test_marks_say_how_each_stands_to_the_configuration() -> None:
    """By the plan; what is missing is named."""
    differing, missing = compared(DECLARED, ACCOUNT)

    sight = sight_of(ACCOUNT, DECLARED, Findings(differing=differing, missing=missing))

    marks = {seen.price.id: seen.mark for seen in sight.prices}
    assert marks == {
        "fee": Mark.DECLARED,
        "c": Mark.DIFFERS,
        "a": Mark.UNDECLARED,
        "gone": Mark.UNDECLARED,
        "b": Mark.NONE,
    }
    assert sight.meters[0].mark is Mark.DIFFERS
    assert sight.missing == ("price new",)


def test_what_is_odd_is_said() -> None:
    """Prices of an inactive meter, meters without price, forms nobody reckons with."""
    sight = sight_of(ACCOUNT, Catalogue(), Findings())
    warned = {seen.meter.id: seen.warnings for seen in sight.meters}
    prices = {seen.price.id: seen.warnings for seen in sight.prices}

    assert warned == {
        "mtr_1": (),
        "mtr_2": ("inactive, and a price of it is still active",),
        "mtr_3": ("no price bills it: its usage costs nothing",),
    }
    assert prices["gone"] == ("its meter is inactive: usage is refused and not billed",)
    assert "does not reckon with" in prices["a"][0]
    assert prices["c"] == ()
    archived = replace(ACCOUNT, products=(replace(PRODUCT, active=False),))
    (fee,) = sight_of(archived, Catalogue(), Findings()).fees
    assert "its product is archived" in fee.warnings[0]


def test_who_has_two_prices_of_a_meter_counts_once() -> None:
    """And nobody is counted before all of its prices were asked about."""
    users = {
        name: PriceUsers(name, len(who), tenants=tuple(map(TenantId, who)))
        for name, who in (("a", ["x", "y"]), ("c", ["y"]), ("b", []))
    }

    def meter(known: dict[str, PriceUsers]) -> MeterSight:
        return sight_of(ACCOUNT, Catalogue(), Findings(known)).meters[0]

    found = meter(users).users
    assert found is not None
    assert (found.subscriptions, found.tenants) == (2, ("x", "y"))
    assert meter({"a": users["a"]}).users is None
