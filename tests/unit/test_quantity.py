"""Quantities are read and written exactly."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.errors import BadInput
from meterdeck.core.model.quantity import (
    LARGEST,
    exact_amount,
    exact_units,
    format_quantity,
    group_quantity,
    parse_counter,
    parse_quantity,
    short_quantity,
)


@given(st.integers(0, LARGEST), st.integers(0, 9))
def test_what_is_written_reads_back(value: int, scale: int) -> None:
    """Formatting and parsing are inverse at every scale."""
    if value >= 10**16:
        scale = 0

    assert parse_quantity(format_quantity(value, scale), scale) == value
    assert parse_quantity(group_quantity(value, scale), scale) == value


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-5", "1e3", "0x10", "NaN", "inf", "٣", "1.5", "--1", "1,,0", ",100",
        str(LARGEST + 1), "9" * 30,
    ],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Negative, fractional, foreign and giant numbers are refused with a sentence."""
    with pytest.raises(BadInput):
        parse_quantity(text)


def test_separators_a_person_types_are_accepted() -> None:
    """Commas and underscores between thousands are read over."""
    assert parse_quantity(" 1,000_000 ") == 1_000_000
    assert parse_quantity("-12,500.25", 2, signed=True) == -1_250_025


@pytest.mark.parametrize(
    "text", ["1,5", "1_5", "12,50", "1,5,0.5", "1234,567", "1,0000", "0.500,000"]
)
def test_a_comma_that_may_be_meant_for_a_point_is_not_read_over(text: str) -> None:
    """`1,5` is no fifteen: it is refused, with what would be right."""
    with pytest.raises(BadInput, match=r"write a number such as 12,500 or 1\.5"):
        parse_quantity(text, 9)
    with pytest.raises(BadInput, match=r"write a number such as 12,500$"):
        parse_quantity(text)


def test_a_scaled_quantity_counts_in_its_smallest_unit() -> None:
    """1.5 at scale 3 is 1500; a fourth decimal is refused."""
    assert parse_quantity("1.5", 3) == 1500
    with pytest.raises(BadInput, match="at most 3 decimals"):
        parse_quantity("1.5001", 3)


@pytest.mark.parametrize(
    ("value", "scale", "shown"),
    [
        (0, 0, "0"), (999, 0, "999"), (1000, 0, "1k"), (12_599, 0, "12.5k"),
        (999_999, 0, "999k"), (1_000_000, 0, "1M"), (-12_000, 0, "-12k"),
        (1500, 3, "1.5"), (-1, 3, "-0"), (2**53, 0, "9P"),
    ],
)  # fmt: skip
def test_short_form_rounds_towards_zero(value: int, scale: int, shown: str) -> None:
    """A short quantity never claims more than there is, in at most six characters."""
    assert short_quantity(value, scale) == shown


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0), (b"42", 42), (b"-7", -7), (b" 5", None), (b"1_000", None),
        (b"1.5", None), (b"abc", None), (b"", None), (b"007", None), (b"-0", None),
        (b"9" * 19, None), (str(2**63 - 1).encode(), 2**63 - 1),
    ],
)  # fmt: skip
def test_only_whole_decimal_numbers_are_counters(raw: bytes, value: int | None) -> None:
    """A counter is what Redis itself would INCR; everything else is broken."""
    assert parse_counter(raw) == value


@given(st.integers(0, LARGEST), st.integers(0, 9))
def test_units_and_amounts_are_inverse(units: int, scale: int) -> None:
    """Whatever precision the program computes with; as a text, too."""
    with localcontext() as context:
        context.prec = 1
        amount = exact_amount(units, scale)
        if amount <= LARGEST:
            assert exact_units(amount, scale) == units
            assert exact_units(str(format(amount, "f")), scale) == units
    assert amount * 10**scale == units


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("1.5", 1500), ("0", 0), ("0.001", 1), ("007.50", 7500), (3, 3000),
        (Decimal("1.5000000"), 1500), (Decimal("2E+1"), 20_000), (Decimal("-0"), 0),
        ("9007199254740.992", LARGEST),
    ],
)  # fmt: skip
def test_an_amount_is_so_many_units(amount: str | int | Decimal, units: int) -> None:
    """Zeros at its end change nothing; the largest is the scripts' own."""
    assert exact_units(amount, 3) == units


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (1.5, "is a float, which does not hold decimals exactly; give the text '1.5'"),
        ("1.5001", "too fine; this resource takes at most 3 decimals"),
        (Decimal("1E-1000000"), "too fine"),
        (Decimal("1E-30"), "too fine"),
        ("9007199254740.993", "too large"),
        (Decimal("1E+1000000"), "too large"),
        (-1, "is negative"),
        (Decimal("-0.5"), "is negative"),
        ("1,5", "is no amount"),
        ("1_000", "is no amount"),
        (" 1", "is no amount"),
        ("-1", "is no amount"),
        ("1e3", "is no amount"),
        ("٣", "is no amount"),
        ("", "is no amount"),
        (Decimal("NaN"), "is no amount"),
        (Decimal("Infinity"), "is no amount"),
        (True, "is no amount"),
        (None, "is no amount"),
    ],
)
def test_what_is_no_exact_amount_is_refused(amount: object, words: str) -> None:
    """With a sentence; a comma is not guessed at, and a float never taken."""
    with pytest.raises(BadInput, match=words):
        exact_units(amount, 3)  # type: ignore[arg-type]  # what a program may pass


def test_without_a_scale_amounts_are_whole() -> None:
    """And units are whole always."""
    with pytest.raises(BadInput, match="this resource takes whole numbers"):
        exact_units("1.5")
    with pytest.raises(BadInput, match="no number of units"):
        exact_amount(1.0)  # type: ignore[arg-type]  # what a program may pass
    assert exact_amount(-1500, 3) == Decimal("-1.5")
