"""What a call names: resource → units, and limits it brings along."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.errors import BadInput
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.text import visible

MOST_RESOURCES = 64
"""Resources of one call, as the scripts take them."""


def check_amounts(amounts: Mapping[str, int]) -> None:
    """Accept what a call wants to use.

    Raises:
        BadInput: No resource or too many, or an amount that is none.
    """
    if not 1 <= len(amounts) <= MOST_RESOURCES:
        raise BadInput(f"a call names 1 to {MOST_RESOURCES} resources")
    for name, amount in amounts.items():
        if type(amount) is not int or not 1 <= amount <= LARGEST:
            raise BadInput(
                f"{amount!r} {visible(name)} cannot be consumed;"
                f" an amount is a whole number from 1 to {LARGEST:,}"
            )


def check_limits(limits: Mapping[str, int] | None, amounts: Mapping[str, int]) -> None:
    """Accept the limits that a call brings along for its own resources.

    Raises:
        BadInput: A limit of another resource, or one that is no limit.
    """
    for name, units in (limits or {}).items():
        if name not in amounts or type(units) is not int or not 0 <= units <= LARGEST:
            raise BadInput(
                f"{units!r} {visible(name)} is no limit of this call; give a whole"
                f" number from 0 to {LARGEST:,} for a resource of it"
            )
