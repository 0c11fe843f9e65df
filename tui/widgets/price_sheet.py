"""A price in full: its tiers, its curve, who has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from textual.strip import Strip

from meterdeck.core.model.catalogue_sight import PriceSight, price_name
from meterdeck.core.model.prices import Package, PerUnit, PriceForm, Tiered
from meterdeck.core.model.pricing import bill
from meterdeck.tui import price_curve, price_glance
from meterdeck.tui.price_curve import Part
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.sheet import Sheet

BAR = 12
"""Cells of the bar that shows what a tier's unit costs beside the dearest."""
SIDE_BY_SIDE = 76
"""Cells from which on the curve may stand beside the tiers."""
_TALL = 22
"""Lines from which on it stands below them."""
_CURVE = 12
_LEAST_CURVE = 6
_PARTS = {
    Part.LABEL: Role.MUTED,
    Part.AXIS: Role.FAINT,
    Part.GUIDE: Role.FAINT,
    Part.LINE: Role.ACCENT,
}


def head(sheet: Sheet, seen: PriceSight) -> list[Strip]:
    """Return what a price is: name, product, meter, interval, and what is odd."""
    price = seen.price
    sign, role = ("●", Role.GOOD) if price.active else ("○", Role.MUTED)
    notes = [seen.mark.value, "" if price.active else "archived"]
    title = sheet.title(sign, role, price_name(price), " · ".join(filter(None, notes)))
    product = seen.product.name if seen.product else price.product_id
    metered = seen.meter.display_name if seen.meter else "no usage"
    parts = [product, metered, f"billed {price_glance.interval_words(price)}"]
    if isinstance(price.form, Tiered):
        parts.append(price.form.mode.value)
    return [
        title,
        *sheet.identity(" · ".join(parts), price.id),
        *(sheet.warning(text) for text in seen.warnings),
    ]


def body(sheet: Sheet, seen: PriceSight, height: int) -> list[Strip]:
    """Return tiers and curve, in at most `height` lines."""
    form, currency = seen.price.form, seen.price.currency
    if form is None:
        return []
    tiers = _tiers(sheet, form, currency, seen)
    metered = seen.price.metered or bool(price_curve.bounds_of(form))
    if not metered:
        return [sheet.strip(line) for line in tiers][:height]
    said = examples(sheet, form, currency)
    if height < _TALL and sheet.width >= SIDE_BY_SIDE:
        return _beside(sheet, [*tiers, Line(), *said], form, currency, height)
    made = [sheet.strip(line) for line in tiers]
    left = height - len(tiers) - len(said) - 4
    drawn = chart(sheet, form, currency, sheet.width - 4, min(left, _CURVE))
    if drawn:
        made += [sheet.blank(), sheet.heading("Costs", curve_words(form, currency))]
        made += [sheet.strip(line) for line in (*drawn, Line())]
    return [*made, *map(sheet.strip, said)][:height]


def curve_words(form: PriceForm, currency: str) -> str:
    """Return what a curve shows."""
    log = ", both axes logarithmic" if price_curve.far_apart(form) else ""
    return f"{currency.upper()} for so many units{log}"


def _beside(
    sheet: Sheet, left: Sequence[Line], form: PriceForm, currency: str, height: int
) -> list[Strip]:
    width = 44
    rows = min(max(len(left), _LEAST_CURVE + 2), height, _CURVE)
    drawn = chart(sheet, form, currency, sheet.width - width - 2, rows)
    made = []
    for n in range(min(max(len(left), len(drawn)), height)):
        line = Line()
        if n < len(left):
            line.append(left[n])
        line.pad(width, sheet.style(Role.TEXT))
        if n < len(drawn):
            line.append(drawn[n])
        made.append(sheet.strip(line))
    return made


def chart(
    sheet: Sheet, form: PriceForm, currency: str, width: int, height: int
) -> list[Line]:
    """Return the curve in its colours; nothing where there is no room."""
    if height < _LEAST_CURVE:
        return []
    made = []
    rows = price_curve.draw(
        lambda units: bill(form, Decimal(units)).exact,
        form,
        currency,
        width=width,
        height=height,
    )
    for row in rows:
        line = Line()
        for piece in row:
            line.add(piece.text, sheet.style(_PARTS[piece.part]))
        made.append(line)
    return made


def examples(sheet: Sheet, form: PriceForm, currency: str) -> list[Line]:
    """Return what a few quantities cost."""
    made = []
    for units in price_curve.examples_of(form):
        amount = price_glance.money(bill(form, Decimal(units)).total, currency)
        line = Line().add("   ", sheet.style(Role.TEXT))
        line.field(f"{units:,}", 12, sheet.style(Role.TEXT), Align.RIGHT)
        line.add(" cost ", sheet.style(Role.MUTED))
        made.append(line.add(amount, sheet.style(Role.BRIGHT, bold=True)))
    return made


def _tiers(
    sheet: Sheet, form: PriceForm, currency: str, seen: PriceSight
) -> list[Line]:
    muted, text = sheet.style(Role.MUTED), sheet.style(Role.TEXT)
    match form:
        case PerUnit(unit):
            amount = price_glance.money(unit, currency)
            each = "each unit  " if seen.price.metered else "each  "
            return [
                Line().add(f"   {each}", muted).add(amount, sheet.style(Role.BRIGHT))
            ]
        case Package(amount, size):
            line = Line().add(f"   each {size:,}  ", muted)
            line.add(price_glance.money(amount, currency), sheet.style(Role.BRIGHT))
            rounding = price_glance.rounding_words(form)
            return [line, Line().add(f"   {rounding}", muted)]
    steps = price_glance.steps_of(form, currency)
    widths = _Widths.of(steps)
    made = []
    for step in steps:
        line = Line().add("   ", text)
        line.field(step.units, widths.units, text).add("  ", text)
        line.field(step.unit, widths.unit, sheet.style(Role.BRIGHT), Align.RIGHT)
        if widths.flat:
            flat = f"+ {step.flat}" if step.flat else ""
            line.add("  ", text).field(flat, widths.flat, text)
        cells = max(round(step.share * BAR), 1 if step.share else 0)
        line.add("  ", text).add("━" * cells, sheet.style(Role.LOW))
        made.append(line)
    return made


@dataclass(frozen=True, slots=True)
class _Widths:
    units: int
    unit: int
    flat: int

    @classmethod
    def of(cls, steps: Sequence[price_glance.Step]) -> _Widths:
        flat = max(len(step.flat) for step in steps)
        return cls(
            max(len(step.units) for step in steps),
            max(len(step.unit) for step in steps),
            flat + 2 if flat else 0,
        )
