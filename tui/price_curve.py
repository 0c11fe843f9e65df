"""The curve of a price: what a quantity costs, drawn with dots between two axes.

Nothing of Textual is here: a chart is rows of pieces, and whoever paints it gives each
part its colour. Amounts stay exact; only where a dot lies is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from meterdeck.core.model.money import decimals_of, plain
from meterdeck.core.model.prices import Package, PriceForm, Tiered
from meterdeck.core.model.quantity import short_quantity

Cost = Callable[[int], Decimal]
"""What so many units cost, in the currency's smallest unit."""

_NICE = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5))
_TOPS = tuple(map(Decimal, ("1", "1.5", "2", "3", "4", "5", "6", "8", "10")))
_FAR_APART = 100
"""Ratio of the last tier's bound to the first's from which on axes are logarithmic."""
_USUAL = 10_000
"""Units that are drawn of a price whose form suggests no number."""
_PACKAGES = 5
_NARROWEST = 4
"""Cells of a line that still shows something."""
_BEYOND = Decimal("2.5")
"""How far beyond the last bound is drawn."""
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille: bits of a cell's eight dots, by row and column."""
_BRAILLE = 0x2800


class Part(Enum):
    """What a piece of a chart is."""

    LABEL = "label"
    AXIS = "axis"
    GUIDE = "guide"
    """Where a tier ends."""
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of one part."""

    text: str
    part: Part


Row = tuple[Piece, ...]


def bounds_of(form: PriceForm) -> tuple[int, ...]:
    """Return where tiers end, without the last one, which does not."""
    if not isinstance(form, Tiered):
        return ()
    return tuple(tier.up_to for tier in form.tiers if tier.up_to is not None)


def reach_of(form: PriceForm) -> int:
    """Return up to which quantity a price is worth drawing: a round number."""
    if isinstance(form, Package):
        return _PACKAGES * form.size
    bounds = bounds_of(form)
    return _rounded_down(Decimal(bounds[-1]) * _BEYOND) if bounds else _USUAL


def far_apart(form: PriceForm) -> bool:
    """Tell whether tiers are so far apart that both axes are logarithmic."""
    bounds = bounds_of(form)
    return len(bounds) > 1 and bounds[-1] >= _FAR_APART * bounds[0]


def examples_of(form: PriceForm) -> tuple[int, ...]:
    """Return three quantities that show what a price does, rising."""
    reach = reach_of(form)
    bounds = bounds_of(form)
    if len(bounds) > 1:
        return (bounds[-2], bounds[-1], reach)
    if bounds:
        return (bounds[0], reach, reach * 10)
    return (reach // 10, reach, reach * 10)


def draw(
    cost: Cost, form: PriceForm, currency: str, *, width: int, height: int
) -> tuple[Row, ...]:
    """Draw what 0 to `reach_of` units cost, in `height` rows of `width` cells.

    The two rows at the bottom are the axis and its numbers. Where tiers are far apart
    both axes are logarithmic, and say so. No rows where there is no room.
    """
    reach, bounds = reach_of(form), bounds_of(form)
    plot_height = height - 2
    if plot_height < 2 or width < 16:
        return ()
    apart = far_apart(form)
    scale = _Log if apart else _Linear
    top = _nice_top(max(cost(n) for n in (*bounds, *_sampled(reach, 64, scale))))
    labels = _amount_labels(top, cost(1), currency, plot_height, log=apart)
    margin = max(len(text) for text in labels.values()) + 2
    if width - margin - 1 < _NARROWEST:  # an amount of many decimals takes it all
        return ()
    plot = _Plot(
        cost,
        form,
        scale(top, cost(1)),
        width=width - margin - 1,
        height=plot_height,
    )
    rows = []
    for y in range(plot_height):
        label = labels.get(y, "")
        tick = "┤" if label else "│"
        start = (Piece(f"{label:>{margin - 1}} ", Part.LABEL), Piece(tick, Part.AXIS))
        rows.append((*start, *plot.row(y)))
    unit = "log" if apart else currency.upper()
    return (*rows, *_below(plot, margin, unit))


class _Linear:
    """Equal steps are equally long."""

    START = 0

    def __init__(self, top: Decimal, least: Decimal) -> None:
        self._top = float(top)

    def height(self, amount: Decimal) -> float:
        """Return how high an amount lies, from 0 to 1."""
        return float(amount) / self._top if self._top else 0.0

    @staticmethod
    def place(quantity: int, reach: int) -> float:
        """Return how far to the right a quantity lies, from 0 to 1."""
        return quantity / reach

    @staticmethod
    def quantity(place: float, reach: int) -> int:
        """Return the quantity at a place."""
        return round(place * reach)


class _Log:
    """Equal ratios are equally long; it begins at one unit and what that costs."""

    START = 1

    def __init__(self, top: Decimal, least: Decimal) -> None:
        self._least = float(least) if least > 0 else float(top) / 1e4 or 1.0
        self._span = math.log(max(float(top) / self._least, 1.0001))

    def height(self, amount: Decimal) -> float:
        """Return how high an amount lies, from 0 to 1."""
        if amount <= 0:
            return 0.0
        return max(math.log(float(amount) / self._least) / self._span, 0.0)

    @staticmethod
    def place(quantity: int, reach: int) -> float:
        """Return how far to the right a quantity lies, from 0 to 1."""
        return math.log(max(quantity, 1)) / math.log(reach)

    @staticmethod
    def quantity(place: float, reach: int) -> int:
        """Return the quantity at a place."""
        return round(math.exp(place * math.log(reach)))


class _Plot:
    """Dots between the axes: two columns and four rows to a cell."""

    def __init__(
        self,
        cost: Cost,
        form: PriceForm,
        scale: _Linear | _Log,
        *,
        width: int,
        height: int,
    ) -> None:
        self.width = width
        self.reach, self.bounds = reach, bounds = reach_of(form), bounds_of(form)
        self.start = scale.START
        self._scale = scale
        self._cells = [[0] * width for _ in range(height)]
        self._guides = {self.column(bound) for bound in bounds}
        columns, lowest = 2 * width, 4 * height - 1
        before: int | None = None
        for column in range(columns):
            quantity = scale.quantity(column / (columns - 1), reach)
            share = min(max(scale.height(cost(quantity)), 0.0), 1.0)
            y = lowest - round(share * lowest)
            self._dot(column, y)
            if before is not None:
                step = 1 if y > before else -1
                for between in range(before + step, y, step):
                    self._dot(column, between)
            before = y

    def _dot(self, x: int, y: int) -> None:
        self._cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]

    def column(self, quantity: int) -> int:
        """Return the cell that a quantity lies in."""
        place = self._scale.place(quantity, self.reach)
        return min(int(place * self.width), self.width - 1)

    def row(self, y: int) -> Row:
        """Return a row of cells, its runs of one part together."""
        pieces: list[Piece] = []
        for x, bits in enumerate(self._cells[y]):
            if bits:
                text, part = chr(_BRAILLE + bits), Part.LINE
            else:
                text, part = ("┊" if x in self._guides else " "), Part.GUIDE
            if pieces and pieces[-1].part is part:
                pieces[-1] = Piece(pieces[-1].text + text, part)
            else:
                pieces.append(Piece(text, part))
        return tuple(pieces)


def _below(plot: _Plot, margin: int, unit: str) -> tuple[Row, Row]:
    """Return the horizontal axis and the numbers below it; the ends come first."""
    axis, numbers = ["─"] * plot.width, [" "] * (plot.width + margin + 1)
    start = plot.start
    for bound in plot.bounds:
        axis[plot.column(bound)] = "┴"
    for quantity in (start, plot.reach, *reversed(plot.bounds)):
        x, text = margin + 1 + plot.column(quantity), _short(quantity)
        lefts: tuple[int, ...] = (x - len(text) // 2, x, x + 1 - len(text))
        if quantity in (start, plot.reach):
            lefts = (x,) if quantity == start else (x + 1 - len(text),)
        for left in lefts:
            around = numbers[max(left - 1, 0) : left + len(text) + 1]
            if left + len(text) <= len(numbers) and set(around) == {" "}:
                numbers[left : left + len(text)] = text
                break
    name = f"{unit:>{margin - 1}} "
    return (
        (Piece(name, Part.LABEL), Piece("└" + "".join(axis), Part.AXIS)),
        (Piece("".join(numbers), Part.LABEL),),
    )


def _short(quantity: int) -> str:
    """Write a quantity for an axis: `25,000`, `2.5M`."""
    return f"{quantity:,}" if quantity < 1_000_000 else short_quantity(quantity)


def _amount_labels(
    top: Decimal, least: Decimal, currency: str, height: int, *, log: bool
) -> dict[int, str]:
    """Return labels of the vertical axis by row."""
    if log:
        return {0: _amount(top, currency), height - 1: _amount(least, currency)}
    labels = {0: _amount(top, currency), height - 1: "0"}
    if height >= 5:
        middle = (height - 1) / 2
        if middle == int(middle):
            labels[int(middle)] = _amount(top / 2, currency)
    return labels


def _amount(minor: Decimal, currency: str) -> str:
    """Write an amount without its currency, as short as its size allows."""
    decimals = decimals_of(currency)
    amount = minor.scaleb(-decimals)
    if amount >= 1_000_000:
        return short_quantity(int(amount))
    if amount >= 1000:
        return f"{int(amount):,}"
    return plain(amount, decimals)


def _nice_top(most: Decimal) -> Decimal:
    """Return the end of an axis that holds `most`: a round number at least as large."""
    if most <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(most.adjusted())
    return next(top * power for top in _TOPS if top * power >= most)


def _rounded_down(number: Decimal) -> int:
    """Return the largest round number that is not above `number` (1 or more)."""
    power = Decimal(1).scaleb(number.adjusted())
    return int(max(nice * power for nice in _NICE if nice * power <= number))


def _sampled(reach: int, count: int, scale: type[_Linear | _Log]) -> list[int]:
    return [scale.quantity(n / count, reach) for n in range(count + 1)]
