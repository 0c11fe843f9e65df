"""[meters.*], [products.*] and [prices.*]: what they declare, and what is refused."""

import pickle
from decimal import Decimal
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.catalogue import (
    NO_CATALOGUE,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.prices import (
    Formula,
    Interval,
    Package,
    PerUnit,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.settings import load_context
from meterdeck.core.settings.explain import explain

CONTEXT = """
[contexts.only]
mode = "test"
[contexts.only.redis]
url = "redis://localhost"
"""
LEGACY = """
[meters.calls]
event_name = "api_requests"
formula = "count"
[products.api]
[prices.each]
product = "api"
meter = "calls"
unit = "0.01 USD"
[prices.yen_by_thousand]
product = "api"
package = { amount = "500 JPY", size = 1_000, round = "down" }
interval = "year"
[prices.steps]
product = "api"
meter = "calls"
mode = "graduated"
tiers = [
  { up_to = 1_000, unit = "0.01 USD" },
  { up_to = "inf", unit = "0.001 USD", flat = "1 USD" },
]
"""


def declared(tmp_path: Path, text: str) -> Catalogue:
    """Return the catalogue of a configuration."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(text + CONTEXT)
    return load_context(config=path, environ={}).catalogue


def test_names_and_amounts_become_what_stripe_takes(tmp_path: Path) -> None:
    """Amounts in the smallest unit, exactly; names are the tables' unless given.

    A context is handed to other processes, and so is what it declares.
    """
    found = declared(tmp_path, LEGACY)

    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  # ours
    assert found.meters == {
        "calls": MeterSpec("calls", "api_requests", "calls", Formula.COUNT)
    }
    assert found.products == {"api": ProductSpec("api", "prod_api", "api")}
    steps = (Tier(1_000, Decimal(1)), Tier(None, Decimal("0.1"), Decimal(100)))
    assert list(found.prices.values()) == [
        PriceSpec("each", "each", "api", "usd", PerUnit(Decimal(1)), meter="calls"),
        PriceSpec(
            "yen_by_thousand",
            "yen_by_thousand",
            "api",
            "jpy",
            Package(Decimal(500), 1_000, Round.DOWN),
            interval=Interval.YEAR,
        ),
        PriceSpec(
            "steps",
            "steps",
            "api",
            "usd",
            Tiered(TiersMode.GRADUATED, steps),
            meter="calls",
        ),
    ]


def test_without_the_tables_nothing_is_declared(tmp_path: Path) -> None:
    """An account that is kept by other means stays as it is."""
    assert declared(tmp_path, "") is NO_CATALOGUE


@pytest.mark.parametrize(
    ("found", "wrong", "sentence"),
    [
        ('unit = "0.01 USD"', "unit = 100", r"prices\.each\.unit: .*could be cents"),
        ('unit = "0.01 USD"', 'unit = "100"', r"prices\.each\.unit: .*no amount"),
        ('unit = "0.01 USD"', 'unit = "-1 USD"', r"each\.unit: .*negative"),
        ('unit = "0.01 USD"', "", r"prices\.each: give one of unit, package"),
        ('unit = "0.001 USD"', 'unit = "1 EUR"', r"steps\.tiers: .*USD and EUR"),
        ('mode = "graduated"', "", r"prices\.steps: tiers need mode"),
        ('up_to = "inf"', "up_to = 9", r"prices\.steps: the last tier"),
        ("up_to = 1_000", 'up_to = "inf"', r"prices\.steps: the last tier"),
        ('product = "api"', 'product = "apl"', r"each\.product: there is no .*api"),
        ('meter = "calls"', 'meter = "call"', r"each\.meter: there is no .*calls"),
        ('formula = "count"', 'formula = "max"', r"meters\.calls\.formula: .*sum"),
        ('interval = "year"', 'lookup_key = "each"', r"same lookup_key 'each'"),
        ('meter = "calls"', 'meter = "calls"\ninterval = "one_time"', "by the interv"),
        ("size = 1_000", "size = 0", r"package\.size"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, found: str, wrong: str, sentence: str
) -> None:
    """Where it stands, what it is, what would be right."""
    assert found in LEGACY

    with pytest.raises(ConfigError, match=sentence):
        declared(tmp_path, LEGACY.replace(found, wrong, 1))


def test_config_show_names_what_is_declared_and_who_said_it(tmp_path: Path) -> None:
    """Tiers are one setting, written as in the file."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(LEGACY + CONTEXT)

    found = {each.key: each for each in explain(config=path, environ={}, flags={})}

    assert found["meters.calls.event_name"].value == "api_requests"
    assert found["prices.each.unit"].source == str(path)
    assert found["prices.yen_by_thousand.package.amount"].value == "500 JPY"
    assert found["prices.steps.tiers"].value == (
        "{up_to = 1000, unit = 0.01 USD}, {up_to = inf, unit = 0.001 USD, flat = 1 USD}"
    )
