"""Amounts that are not what their comment, their name or their siblings say."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code
from meterdeck.core.model.lint_words import NamedPrice, prices_in, prices_in_name
from meterdeck.core.model.money import decimals_of, plain
from meterdeck.core.model.prices import Tiered
from meterdeck.core.model.seen_prices import Amount, Path, SeenPrice

# Cents taken for dollars are off by 100; a tier may be a little cheaper besides.
_LEAST, _MOST = 50, 200
_CENTS = 100
# Round factors by which an amount is off when a point is misplaced.
_MISPLACED = {Decimal(10) ** power for power in (-3, -2, -1, 1, 2, 3)}


def unlike_comment(price: SeenPrice) -> Iterator[CatalogueWarning]:
    """Yield amounts of which a comment or a name tells another price."""
    amounts = [amount for amount in price.amounts() if amount.minor]
    told = False
    for key, text in price.comments.items():
        about = [each for each in amounts if each.key[: len(key)] == key]
        wrong = _mismatch(price, about, prices_in(text))
        if wrong is None or (
            _is_heading(key, about) and not _misplaced(price, about, wrong)
        ):
            continue
        told = True
        yield _unlike(price, about[0], f"its comment says {wrong.text!r}", wrong)
    for name in () if told else price.names:
        wrong = _mismatch(price, amounts, prices_in_name(name))
        if wrong is not None and _misplaced(price, amounts, wrong):
            yield _unlike(price, amounts[0], f"it is called {name!r}", wrong)
            return


def _is_heading(key: Path, about: Sequence[Amount]) -> bool:
    """Tell whether a comment is about much, and may name prices of other things."""
    return not key or (key == ("tiers",) and len(about) > 1)


def _misplaced(price: SeenPrice, amounts: Sequence[Amount], named: NamedPrice) -> bool:
    return _factor(price, amounts[0], named) in _MISPLACED


def _mismatch(
    price: SeenPrice, amounts: Sequence[Amount], named: Sequence[NamedPrice]
) -> NamedPrice | None:
    """Return the first price named, where none of the named is one of `amounts`."""
    told = [each for each in named if each.number and each.minor(price.currency)]
    if not told or not amounts:
        return None
    meant = {minor for each in told for minor in each.minor(price.currency)}
    there = {amount.minor for amount in amounts}
    there |= {amount.minor / amount.units for amount in amounts if amount.units}
    return None if meant & there else told[0]


def _factor(price: SeenPrice, amount: Amount, named: NamedPrice) -> Decimal:
    """Return by what the amount is larger than the named price, at its nearest."""
    each = {amount.minor, amount.minor / (amount.units or 1)}
    ratios = [have / said for have in each for said in named.minor(price.currency)]
    return min(ratios, key=lambda ratio: abs(ratio.ln()))


def _unlike(
    price: SeenPrice, amount: Amount, told: str, named: NamedPrice
) -> CatalogueWarning:
    meant = named.minor(price.currency)[0]
    factor = _factor(price, amount, named)
    times = ""
    if factor in _MISPLACED:
        rate = "as much" if factor > 1 else "less"
        times = f", {plain(max(factor, 1 / factor))} times {rate}"
    return CatalogueWarning(
        Code.AMOUNT_UNLIKE_COMMENT,
        price.at(amount.key),
        f"costs {price.money(amount.minor)}{times}; {told}",
        f'write "{price.money(meant)}", or mend what is said',
    )


def unlike_siblings(prices: Sequence[SeenPrice]) -> Iterator[CatalogueWarning]:
    """Yield prices about a hundred times another one of the same usage or fee."""
    groups: dict[tuple[object, ...], list[SeenPrice]] = defaultdict(list)
    for price in prices:
        if price.active and price.first_unit:
            groups[_kin(price)].append(price)
    for kin in groups.values():
        by_cost = sorted(kin, key=_first_unit)
        for price in kin:
            cheap = _hundredth(price, by_cost)
            if cheap is not None:
                yield _beside(price, cheap)


def _first_unit(price: SeenPrice) -> Decimal:
    return price.first_unit


def _hundredth(price: SeenPrice, by_cost: Sequence[SeenPrice]) -> SeenPrice | None:
    """Return the cheapest price of which this one is about the hundredfold."""
    most, least = (_MOST, _LEAST) if price.metered else (_CENTS, _CENTS)
    place = bisect_left(by_cost, price.first_unit / most, key=_first_unit)
    found = by_cost[place]
    return found if found.first_unit <= price.first_unit / least else None


def _kin(price: SeenPrice) -> tuple[object, ...]:
    """Return what prices have in common that should cost about the same."""
    if price.metered:
        return price.product, price.meter, price.currency
    # One time and monthly, small plan and large: fees may differ by much.
    again = price.interval, price.interval_count
    return price.product, price.currency, *again


def _beside(price: SeenPrice, other: SeenPrice) -> CatalogueWarning:
    times = plain(round(price.first_unit / other.first_unit, 1))
    return CatalogueWarning(
        Code.AMOUNT_UNLIKE_SIBLINGS,
        price.place,
        f"the first unit costs {price.money(price.first_unit)}, {times} times the"
        f" {price.money(other.first_unit)} of {other.place}",
        f"if cents were meant: {price.money(price.first_unit / 100)}",
    )


def tiers_unlike(price: SeenPrice) -> Iterator[CatalogueWarning]:
    """Yield a tier about a hundred times cheaper or dearer than the one before."""
    if not isinstance(price.form, Tiered):
        return
    tiers = price.form.tiers
    for index, (one, next_one) in enumerate(pairwise(tiers)):
        if not (one.unit and next_one.unit):
            continue
        more, less = max(one.unit, next_one.unit), min(one.unit, next_one.unit)
        if not _LEAST <= more / less <= _MOST:
            continue
        dear = index if one.unit == more else index + 1
        yield CatalogueWarning(
            Code.AMOUNT_UNLIKE_SIBLINGS,
            price.at(("tiers", str(dear), "unit")),
            f"tier {dear + 1} costs {price.money(more)} a unit,"
            f" {plain(round(more / less, 1))} times the {price.money(less)} of the"
            " tier beside it",
            f"if cents were meant: {price.money(more / 100)}",
        )


def odd_decimals(price: SeenPrice) -> Iterator[CatalogueWarning]:
    """Yield amounts finer than the currency or the invoice shows."""
    decimals = decimals_of(price.currency)
    for amount in price.amounts():
        if amount.minor == amount.minor.to_integral_value():
            continue
        rounded = price.money(amount.minor.to_integral_value())
        if decimals == 0:
            yield CatalogueWarning(
                Code.CURRENCY_WITHOUT_DECIMALS,
                price.at(amount.key),
                f"costs {price.money(amount.minor)}, but {price.currency.upper()} has"
                " no decimals",
                f'write whole ones, such as "{rounded}", or sell by the package',
            )
        elif not (price.metered and amount.units):
            yield CatalogueWarning(
                Code.AMOUNT_TOO_FINE,
                price.at(amount.key),
                f"costs {price.money(amount.minor)}, with more decimals than an"
                " invoice shows",
                f'write "{rounded}", which is what is charged once',
            )
