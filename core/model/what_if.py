"""What if: another plan, another price, another usage, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from meterdeck.core.errors import BadInput
from meterdeck.core.model.costs import (
    Basis,
    Forecast,
    ForecastBasis,
    ItemCost,
    Measured,
    TenantCost,
    forecast_of,
)
from meterdeck.core.model.text import visible


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What is imagined; what is empty stays as it is.

    Attributes:
        plan: The plan whose prices take the place of the present plan's.
        prices: Lookup keys or ids; each takes the place of what bills the same.
        usage: By resource, or event name of a meter, in the units that prices are for.
        so_far: Whether `usage` is what was used up to now; else by the period's end.
    """

    plan: str = ""
    prices: tuple[str, ...] = ()
    usage: Mapping[str, Decimal] = field(default_factory=dict)
    so_far: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is imagined."""
        return not (self.plan or self.prices or self.usage)


def with_usage(cost: TenantCost, wanted: WhatIf) -> TenantCost:
    """Return the cost if this were used, and all else were the same.

    Raises:
        BadInput: Nothing of the subscription bills one of the names; or one that is
            billed together with others was named alone.
    """
    for name in wanted.usage:
        if not any(_is_called(each, name) for each in cost.items):
            billed = sorted({each for item in cost.items for each in _names(item)})
            known = ", ".join(billed) or "no usage at all"
            raise BadInput(
                f"nothing of this subscription bills {visible(name)}; it bills: {known}"
            )
    items = tuple(_with_usage(each, wanted, cost) for each in cost.items)
    return replace(cost, items=items)


def _with_usage(item: ItemCost, wanted: WhatIf, cost: TenantCost) -> ItemCost:
    units = _given(item, wanted.usage)
    if units is None:
        return item
    if not wanted.so_far:
        forecast = Forecast(units, ForecastBasis.GIVEN)
        if item.measured.quantity is not None and units < item.measured.quantity:
            raise BadInput(
                f"{item.label}: more than {visible(str(units))} is used already;"
                " say what is used by the period's end, or what is used so far"
            )
        return replace(item, forecast=forecast)
    measured = Measured(units, Basis.GIVEN, item.measured.level)
    decimals = max(0, -_exponent(units))
    forecast_ = forecast_of(item.item, measured, cost.at, decimals)
    return replace(item, measured=measured, forecast=forecast_)


def _given(item: ItemCost, usage: Mapping[str, Decimal]) -> Decimal | None:
    """Return what all that an item bills is said to use; None where nothing is said.

    What each of several resources uses is not known, only what they use in all.
    """
    names = {name for name in usage if _is_called(item, name)}
    if not names:
        return None
    if names == {item.event_name}:
        return usage[item.event_name]
    several = len(item.resources) > 1
    if names == set(item.resources) and not (several and item.measured.level):
        return sum((usage[name] for name in names), Decimal(0))
    together = ", ".join(item.resources)
    raise BadInput(
        f"{item.label} bills {together} together; say what is used of it in all, as"
        f" {item.event_name}"
    )


def _is_called(item: ItemCost, name: str) -> bool:
    return name in (*item.resources, item.event_name) and item.metered


def _names(item: ItemCost) -> tuple[str, ...]:
    if not item.metered:
        return ()
    return item.resources or (item.event_name,)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
