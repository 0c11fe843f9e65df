"""Lint holds amounts against the comments beside them."""

from decimal import Decimal

import pytest
from tests.support.linting import Warned, codes

from meterdeck.core.model.catalogue_warnings import Code
from meterdeck.core.model.lint_words import prices_in, prices_in_name

PRICE = '[prices.calls]\nproduct = "api"\nmeter = "calls"\n'
LEGACY = {
    "beside": 'unit = "1.00 USD"  # $0.01',
    "above": '# $0.001 a call\nunit = "0.10 USD"',
    "in cents": 'unit = "1 USD" # 1 cent',
    "in the lookup key": 'unit = "1 USD"\nlookup_key = "api_0.01"',
    "in the nickname": 'unit = "0.5 USD"\nnickname = "API $0.005/call"',
    "in euros": 'unit = "0.5 EUR" # €0.005',
    "a package": 'package = { amount = "50 USD", size = 10 } # $0.50 per 10',
    "too little": 'unit = "0.0001 USD" # $0.01',
    "no power of ten": 'unit = "0.03 USD" # $0.02',
}
FINE = {
    "the same": 'unit = "0.01 USD"  # $0.01',
    "one of several": '# $0.02 until May, $0.01 since\nunit = "0.01 USD"',
    "by the thousand": '# $5 per 1000\nunit = "0.005 USD"',
    "a package by the unit": 'package = { amount = "5 USD", size = 1_000 } # 0.5 cents',
    "another currency": 'unit = "0.01 USD" # about €0.009',
    "a version": 'unit = "0.01 USD"\nnickname = "API v1.25, 10 % off"',
    "another setting": '#unit = "5 USD"\nunit = "0.01 USD"',
    "across a blank line": '# $5\n\nunit = "0.01 USD"',
    "in yen": 'unit = "2 JPY" # ¥2',
}


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("$0.01", "1"),
        ("1 cent a call", "1"),
        ("0.1¢", "0.1"),
        (".5 ct", "0.5"),
        ("costs 0.01 USD", "1"),
        ("USD 0.01 each", "1"),
        ("US$1,000.50", "100050"),
        ("2 dollars", "200"),
    ],
)
def test_prices_are_found_in_words(text: str, cents: str) -> None:
    """Signs, codes and cents, before and after the number."""
    (found,) = prices_in(text)

    assert found.minor("usd") == (Decimal(cents),)
    assert found.minor("kwd") in ((), (Decimal(cents) * 10,))


def test_a_price_of_many_units_is_one_of_a_unit_too() -> None:
    """What is said by the thousand may be declared by the unit."""
    (found,) = prices_in("$5 per 1,000 calls")

    assert found.minor("usd") == (Decimal(500), Decimal("0.5"))


@pytest.mark.parametrize(
    "text", ["v1.25", "10 % off", "after 30 days", "gpt-3.5", "a2.50x", "1.000.000"]
)
def test_other_numbers_are_no_prices(text: str) -> None:
    """Versions, shares and counts tell no price."""
    assert prices_in(text) == ()
    assert prices_in_name(text) == ()


def test_a_price_in_another_currency_says_nothing() -> None:
    """€ beside a price in dollars may be a note on the rate."""
    (found,) = prices_in("€0.005")

    assert found.minor("usd") == ()
    assert found.minor("eur") == (Decimal("0.5"),)


@pytest.mark.parametrize("lines", LEGACY.values(), ids=LEGACY)
def test_an_amount_unlike_its_comment_is_warned_of(warned: Warned, lines: str) -> None:
    """The program before this one wrote `unit_amount: 100 // $0.01`."""
    found = warned(f"{PRICE}{lines}\n")

    assert codes(found) == {Code.AMOUNT_UNLIKE_COMMENT}
    assert found[0].where.startswith("m.toml: prices.calls.")


@pytest.mark.parametrize("lines", FINE.values(), ids=FINE)
def test_an_amount_like_its_comment_is_not(warned: Warned, lines: str) -> None:
    """No alarm where what is said and what is asked are the same."""
    assert warned(f"{PRICE}{lines}\n") == []


def test_each_tier_has_its_own_comment(warned: Warned) -> None:
    """A comment at a line of the list is about that tier."""
    found = warned(
        PRICE + 'mode = "graduated"\ntiers = [ # falling\n'
        '  { up_to = 1_000, unit = "0.01 USD" }, # $0.01, "#1"\n'
        "  # half a cent: $0.005\n"
        '  { up_to = 10_000, unit = "0.005 USD", flat = "1 USD" },\n'
        '  { up_to = "inf", unit = "0.004 USD" } # $0.001\n]\n'
    )

    assert [each.where for each in found] == ["m.toml: prices.calls.tiers.2.unit"]


def test_a_table_s_comment_is_about_its_amounts(warned: Warned) -> None:
    """Above the header, a misplaced point is seen, and other numbers are not."""
    hundredfold = '# $0.01 a call\n[prices.calls]\nproduct = "api"\nmeter = "calls"\n'

    assert codes(warned(hundredfold + 'unit = "1 USD"\n'))
    assert warned(hundredfold + 'unit = "0.013 USD"\n') == []
