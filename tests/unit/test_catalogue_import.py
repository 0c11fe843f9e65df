"""An account written as a configuration, and what a file keeps when it is added."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterdeck.core.adapters.stripe_prices import price as read_price
from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.catalogue_import import import_account
from meterdeck.core.model.catalogue_plan import plan
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Round,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.table_names import is_table_name, table_names
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_expressible import expressible
from meterdeck.core.settings.catalogue_file import add_to, block_of, declared_in
from meterdeck.core.settings.replaced_file import replace_whole

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HOSTILE = (
    "quote\"s and 'these'",
    "new\nline [prices.x]\r\n#",
    "\x00\x07\x1b[31m\x7f",
    "\u202egnp.exe\u2028\u200b",
    "Ünïcödé 🎉 名前",
    "back\\slash \\u0041 '''\"\"\"",
    "x" * 250,
    "...",
    " ",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
)


FORMS: tuple[PriceForm, ...] = (
    PerUnit(Decimal("0.000000000001")),
    PerUnit(Decimal(0)),
    Package(Decimal("12.5"), 1_000, Round.DOWN),
    Package(Decimal(500), 7),
    Tiered(
        TiersMode.GRADUATED,
        (
            Tier(1, flat=Decimal(3)),
            Tier(10**9, Decimal("0.1"), Decimal(1)),
            Tier(None),
        ),
    ),
    Tiered(TiersMode.VOLUME, (Tier(None, Decimal("1.10")),)),
)


def meter(number: int, event_name: str, **more: Any) -> MeterInfo:
    """Return a meter of the account."""
    named = {"event_name": event_name[:100], "display_name": event_name}
    fields = {**named, "formula": "sum", "active": True, "created": at(number), **more}
    return MeterInfo(f"mtr_{number}", **fields)


def product(number: int, name: str, **more: Any) -> ProductInfo:
    """Return a product of the account."""
    return ProductInfo(f"prod_Q{number}Jz", name, created=at(number), **more)


def price(
    number: int, lookup_key: str, form: PriceForm | None, **more: Any
) -> PriceInfo:
    """Return a price of the account, of the first product and meter."""
    fields = {"product_id": "prod_Q0Jz", "currency": "usd", "meter_id": "mtr_0", **more}
    made = {"form": form, "lookup_key": lookup_key[:200], "created": at(number)}
    return PriceInfo(f"price_{number}", **{**made, **fields})


def at(number: int) -> datetime:
    """Return when something was created."""
    return NOW + timedelta(seconds=number)


def declared(account: Account, *, everything: bool = True) -> Catalogue:
    """Return what an import says when it is read as a configuration."""
    found = expressible(import_account(account, everything=everything))
    return declared_in(block_of(found), "imported.toml")


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Draw an account whose names are hostile and whose prices are of every form."""
    names = st.lists(TEXTS, min_size=1, max_size=4, unique_by=lambda name: name[:100])
    meters = [
        meter(
            number,
            name,
            formula=draw(st.sampled_from(["sum", "count", "last"])),
            value_key=draw(TEXTS)[:100],
            event_time_window=draw(st.sampled_from(["", "hour", "day"])),
        )
        for number, name in enumerate(draw(names))
    ]
    products = [
        product(number, name, description=draw(TEXTS), unit_label=draw(TEXTS)[:12])
        for number, name in enumerate(draw(names))
    ]
    prices = [
        price(
            number,
            key,
            draw(st.sampled_from(FORMS)),
            product_id=draw(st.sampled_from(products)).id,
            meter_id=draw(st.sampled_from(meters)).id,
            currency=draw(st.sampled_from(["usd", "jpy", "kwd"])),
            interval=draw(st.sampled_from([Interval.DAY, Interval.MONTH])),
            interval_count=draw(st.integers(1, 12)),
            nickname=draw(TEXTS),
            tax_behavior=draw(st.sampled_from(["", "inclusive"])),
            active=draw(st.booleans()),
        )
        for number, key in enumerate(draw(names))
    ]
    return Account(tuple(meters), tuple(products), tuple(prices))


@given(accounts())
@settings(max_examples=40, deadline=None)
def test_what_is_imported_is_what_is_there(account: Account) -> None:
    """Read as a configuration, it has a plan without steps, whatever the names are;
    and nothing in it can act on a terminal."""
    found = declared(account)

    agreed = plan(found, account)
    assert (agreed.steps, agreed.problems) == ((), ())
    written = block_of(expressible(import_account(account))).replace("\n", "")
    assert visible(written, len(written)) == written
    assert len(found.meters) == len(account.meters)
    assert len(found.products) == len(account.products)
    assert len(found.prices) == len(account.prices)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("currency", ["usd", "jpy", "kwd"])
def test_every_form_is_written_as_money(form: PriceForm, currency: str) -> None:
    """Amounts come back digit for digit, in currencies with and without decimals."""
    there = price(0, "calls", form, currency=currency, interval=Interval.YEAR)
    fee = price(1, "fee", form, currency=currency, meter_id="")
    account = Account((meter(0, "calls"),), (product(0, "API"),), (there, fee))

    found = declared(account, everything=False)

    assert [each.form for each in found.prices.values()] == [form, form]
    assert plan(found, account).agrees


def test_names_of_tables_are_readable_where_they_can_be() -> None:
    """Event names and lookup keys as they are; a product by its id, or its name."""
    chosen = ProductInfo("prod_api", "The API")
    account = Account(
        (meter(0, "api.calls"), meter(1, "Größe (GB)")),
        (chosen, product(0, "Cloud Storage")),
        (price(0, "calls_2026", PerUnit(Decimal(1)), product_id="prod_api"),),
    )

    found = declared(account)

    assert list(found.meters) == ["api.calls", "groe_gb"]
    assert list(found.products) == ["api", "cloud_storage"]
    assert list(found.prices) == ["calls_2026"]


@given(st.dictionaries(TEXTS, TEXTS, max_size=8), st.sets(TEXTS, max_size=3))
@settings(max_examples=80, deadline=None)
def test_names_of_tables_are_valid_and_unique(
    wanted: dict[str, str], taken: set[str]
) -> None:
    """Whatever they are made of, and the same in whatever order they come."""
    names = table_names(wanted, taken)

    assert set(names) == set(wanted)
    assert all(map(is_table_name, names.values()))
    assert len(set(names.values())) == len(names)
    assert not set(names.values()) & taken
    assert names == table_names(dict(reversed(wanted.items())), taken)


LEFT_OUT = {
    "custom amounts": price(1, "tip", None),
    "no meter": price(1, "old", PerUnit(Decimal(1)), meter_id="", usage_type="metered"),
    "a lost meter": price(1, "lost", PerUnit(Decimal(1)), meter_id="mtr_9"),
    "a lost product": price(1, "lost", PerUnit(Decimal(1)), product_id="prod_9"),
    "no lookup key": price(1, "", PerUnit(Decimal(1))),
    "a huge amount, finely": price(1, "fine", PerUnit(Decimal("9e14") + 1)),
    "gaps": price(1, "gaps", Tiered(TiersMode.VOLUME, (Tier(5), Tier(5)))),
    "a huge amount": price(1, "huge", PerUnit(Decimal(10) ** 20)),
}


@pytest.mark.parametrize("odd", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_declared_is_said_in_a_comment(odd: PriceInfo) -> None:
    """It is left out with its reason; the rest is imported and agrees."""
    good = price(0, "calls", PerUnit(Decimal(1)))
    account = Account((meter(0, "calls"),), (product(0, "API"),), (good, odd))

    found = expressible(import_account(account))

    assert list(found.catalogue.prices) == ["calls"]
    (left,) = found.left_out
    assert f"#   {left.what} {left.why}" in block_of(found).splitlines()
    assert plan(declared(account), account).steps == ()


def test_a_lookup_key_is_proposed() -> None:
    """Made of what the price is called, and not another price's, as each is unique."""
    named = price(1, "", PerUnit(Decimal(1)), nickname="Per call!")
    taken = price(2, "calls", PerUnit(Decimal(1)))
    unnamed = price(3, "", PerUnit(Decimal(1)))
    account = Account((meter(0, "calls"),), (product(0, "A"),), (named, taken, unnamed))

    again = replace(taken, id="price_9")

    one, other = import_account(account).left_out
    (twice,) = import_account(replace(account, prices=(taken, again))).left_out

    assert (twice.what, "price_2" in twice.why) == ("price_9", True)
    assert '"per_call"' in one.why
    assert '"calls_price_3"' in other.why


def test_old_prices_and_further_currencies_are_told_as_stripe_tells_them() -> None:
    """A metered price without a meter is left out; of others, further currencies."""
    amounts = {"unit_amount_decimal": "1", "unit_amount": 1}
    common = {"object": "price", "active": True, "currency": "usd", **amounts}
    common |= {"product": "prod_Q0Jz", "billing_scheme": "per_unit"}
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "metered"}
    old = read_price({**common, "id": "old", "recurring": {**recurring, "meter": None}})
    options = {"usd": amounts, "jpy": amounts, "eur": amounts}
    many = read_price(
        {**common, "id": "many", "lookup_key": "many", "currency_options": options}
    )

    found = import_account(Account((), (product(0, "API"),), (old, many)))

    assert [each.what for each in found.left_out] == ["old"]
    assert "without a meter" in found.left_out[0].why
    assert [each.what for each in found.partly] == ["many"]
    assert "#   many has amounts in EUR, JPY, too" in block_of(found)


def test_what_is_inactive_is_left_out_unless_something_active_needs_it() -> None:
    """An archived product with a price that is sold has to be declared."""
    account = Account(
        (meter(0, "calls"), meter(1, "off", active=False)),
        (product(0, "API", active=False), product(1, "Old", active=False)),
        (
            price(0, "calls", PerUnit(Decimal(1))),
            price(1, "was", PerUnit(Decimal(2)), active=False),
        ),
    )

    few, every = import_account(account), import_account(account, everything=True)

    assert list(few.catalogue.meters) == ["calls"]
    assert list(few.catalogue.products) == ["api"]
    assert few.inactive == {"price": 1, "meter": 1, "product": 1}
    assert (len(every.catalogue.meters), len(every.catalogue.prices)) == (2, 2)
    assert not every.catalogue.prices["was"].active


ACCOUNT = Account(
    (meter(0, "calls"), meter(1, "gb")),
    (product(0, "API"),),
    (price(0, "calls", PerUnit(Decimal("0.1"))),),
)
FILE = b"""\
# mine, with   odd spacing
default_context='x'
[contexts.x]   # live one day
mode = "test"
redis.url = "redis://localhost/0"
[meters.my_calls] # by hand
event_name = "calls"
display_name = "calls"
replaces = 'older'"""


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_file_is_added_to_and_else_kept_byte_for_byte(
    tmp_path: Path, newline: bytes
) -> None:
    """What it declares already stays, under its name; adding again adds nothing."""
    file = tmp_path / "m.toml"
    before = FILE.replace(b"\n", newline)
    file.write_bytes(before)
    file.chmod(0o640)

    added = add_to(file, ACCOUNT, everything=False)
    after = file.read_bytes()
    again = add_to(file, ACCOUNT, everything=False)

    assert list(added.catalogue.meters) == ["gb"]
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(newline)
    assert tomllib.loads(after.decode())["prices"]["calls"]["meter"] == "my_calls"
    assert file.stat().st_mode & 0o777 == 0o640
    assert not again.catalogue.declared
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (after, [file])


def test_a_new_file_is_private(tmp_path: Path) -> None:
    """It may come to hold secrets."""
    file = tmp_path / "new.toml"

    add_to(file, ACCOUNT, everything=False)

    assert file.stat().st_mode & 0o777 == 0o600
    assert plan(declared_in(file.read_text(), "new.toml"), ACCOUNT).agrees


REFUSING = {
    "another amount": '[products.api]\nid = "prod_Q0Jz"\nname = "API"\n[meters.calls]\n'
    '[prices.calls]\nproduct = "api"\nmeter = "calls"\nunit = "0.01 USD"\n',
    "another formula": '[meters.calls]\nformula = "count"\n',
    "no tables can be added": "meters = { other = {} }\n",
}


@pytest.mark.parametrize("text", REFUSING.values(), ids=REFUSING)
def test_a_file_that_says_otherwise_is_left_alone(tmp_path: Path, text: str) -> None:
    """Nothing that somebody wrote is overwritten."""
    file = tmp_path / "m.toml"
    file.write_text(text)

    with pytest.raises(Refused, match=r"m\.toml: "):
        add_to(file, ACCOUNT, everything=False)

    assert file.read_text() == text


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """An editor's save between reading and writing is not lost."""
    file = tmp_path / "m.toml"
    file.write_text("saved = 1\n")

    with pytest.raises(Refused, match="changed meanwhile"):
        replace_whole(file, b"", b"new")
    with pytest.raises(BadInput, match="cannot be written"):
        replace_whole(tmp_path / "no" / "m.toml", b"", b"new")

    assert (file.read_text(), list(tmp_path.iterdir())) == ("saved = 1\n", [file])
