"""What a comparison takes: whole numbers from one to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from meterdeck.core.model.filter.complaints import wrong_value
from meterdeck.core.model.filter.tree import Clause, Op
from meterdeck.core.model.quantity import ungrouped

LOWEST = -(2**63)
HIGHEST = 2**63
_NUMBER = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([kMG]?)")
_TIMES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_TIME = re.compile(r"(?:[0-9]{1,6}[smhdw])+")
_TIME_PART = re.compile(r"([0-9]+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from `low` to `high`, both included."""

    low: int = LOWEST
    high: int = HIGHEST

    def __contains__(self, number: int) -> bool:
        return self.low <= number <= self.high


def span_of(op: Op, value: Decimal) -> Span:
    """Return the whole numbers that stand to `value` as the operator says.

    `!=` gives those that are equal: it is for the caller to turn that round.
    """
    floor = int(value.to_integral_value(ROUND_FLOOR))
    ceiling = int(value.to_integral_value(ROUND_CEILING))
    match op:
        case Op.MORE:
            return Span(low=floor + 1)
        case Op.LEAST:
            return Span(low=ceiling)
        case Op.LESS:
            return Span(high=ceiling - 1)
        case Op.MOST:
            return Span(high=floor)
    return Span(ceiling, floor)


def share_span(clause: Clause) -> Span:
    """Return the percents that a clause takes; the sign % may be left out.

    Raises:
        BadInput: Its value is no percent.
    """
    number = _number(clause.value.removesuffix("%"))
    if number is None:
        right = f"write a percent, for example {clause.name}>90%"
        raise wrong_value(clause, "not a percent", right)
    return span_of(clause.op, number)


def units_span(clause: Clause, scale: int) -> Span:
    """Return the units that a clause takes, of a resource with `scale` decimals.

    Raises:
        BadInput: Its value is no quantity.
    """
    number = _number(clause.value)
    if number is None:
        right = f"write a quantity such as {clause.name}>1500 or {clause.name}>10k"
        raise wrong_value(clause, "not a quantity", right)
    return span_of(clause.op, number * 10**scale)


def time_span(clause: Clause) -> Span:
    """Return the seconds that a clause takes.

    Raises:
        BadInput: Its value is no length of time, or the operator asks for exactly it.
    """
    right = f"write for example {clause.name}<2h, {clause.name}<90m or {clause.name}>3d"
    if _TIME.fullmatch(clause.value) is None:
        raise wrong_value(clause, "not a length of time", right)
    if not clause.op.orders:
        raise wrong_value(clause, "no moment is hit exactly", right)
    parts = _TIME_PART.findall(clause.value)
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in parts)
    return span_of(clause.op, Decimal(seconds))


def _number(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(ungrouped(text.strip()))
    return Decimal(found[1]) * _TIMES[found[2]] if found else None
