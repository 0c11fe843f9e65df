"""Money is read as people write it, and kept exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.errors import BadInput
from meterdeck.core.model.money import Money, decimals_of, parse_money


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("0.01 USD", "1"),
        ("0.001 USD", "0.1"),
        ("1,200 jpy", "1200"),
        ("1.5 JPY", "1.5"),
        ("0.001 KWD", "1"),
        ("12.50  eur", "1250"),
        ("1000 ISK", "100000"),
        ("1000 UGX", "100000"),
        ("-3 USD", "-300"),
    ],
)
def test_an_amount_is_so_many_of_the_smallest_unit(text: str, minor: str) -> None:
    """Cents, whole yen, thousandths of a dinar; ISK and UGX count in hundredths."""
    assert parse_money(text).minor == Decimal(minor)


@pytest.mark.parametrize(
    "text",
    ["100", "0.01", "$0.01", "USD 0.01", "1e-3 USD", "0.01 US", "1.2.3 USD", "",
     "0.01 USD\x1b[2J", "NaN USD", "1,00 USD", "1,2000 USD", "0.123,456 USD", "٣ USD"],
)  # fmt: skip
def test_what_is_no_amount_with_a_currency_is_refused(text: str) -> None:
    """A bare number could be cents; the sentence shows what would be right."""
    with pytest.raises(BadInput, match=r"such as \"0\.001 USD\"") as refused:
        parse_money(text)

    assert "\x1b" not in str(refused.value)


def test_an_amount_is_as_fine_as_stripe_takes_it() -> None:
    """Twelve decimals of the smallest unit, and below a trillion."""
    assert parse_money("0.00000000000001 USD").minor == Decimal("1e-12")
    with pytest.raises(BadInput, match="too fine"):
        parse_money("0.000000000000001 USD")
    with pytest.raises(BadInput, match="too large"):
        parse_money("1,000,000,000,000 USD")


@pytest.mark.parametrize(
    ("minor", "currency", "shown", "rounded"),
    [
        ("0.1", "usd", "0.001 USD", "0.00 USD"),
        ("0.5", "usd", "0.005 USD", "0.01 USD"),
        ("-0.5", "usd", "-0.005 USD", "-0.01 USD"),
        ("1250", "usd", "12.50 USD", "12.50 USD"),
        ("1.5", "jpy", "1.5 JPY", "2 JPY"),
        ("1500", "kwd", "1.500 KWD", "1.500 KWD"),
    ],
)
def test_it_is_shown_exactly_and_rounded_half_away_from_zero(
    minor: str, currency: str, shown: str, rounded: str
) -> None:
    """All its decimals, at least the currency's own."""
    money = Money.of_minor(Decimal(minor), currency)

    assert (str(money), str(money.rounded())) == (shown, rounded)


@given(
    st.decimals(
        Decimal("-1e11"), Decimal("1e11"), places=9, allow_nan=False
    ),
    st.sampled_from(["usd", "jpy", "kwd", "isk"]),
)  # fmt: skip
def test_what_is_written_reads_as_the_same(amount: Decimal, currency: str) -> None:
    """For any amount of any currency."""
    money = Money(amount, currency)

    assert parse_money(str(money)) == money
    assert Money.of_minor(money.minor, currency) == money
    assert decimals_of(currency) in {0, 2, 3}
