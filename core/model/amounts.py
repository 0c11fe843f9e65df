"""What a call names: resource → units, and limits it brings along."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from meterdeck.core.errors import BadInput
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.text import visible

MOST_RESOURCES = 64
"""Resources of one call, as the scripts take them."""

_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(hours=24)


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


def check_settled(amounts: Mapping[str, int] | None) -> None:
    """Accept what is to be given back of a call, or kept; None is all of it.

    Raises:
        BadInput: It names nothing, or an amount is none.
    """
    if amounts is None:
        return
    if not 1 <= len(amounts) <= MOST_RESOURCES:
        raise BadInput(f"name 1 to {MOST_RESOURCES} resources, or leave amounts out")
    for name, units in amounts.items():
        if type(units) is not int or not 0 <= units <= LARGEST:
            raise BadInput(
                f"{units!r} {visible(name)} is no amount; write a whole number"
            )


def hold_ms(ttl: timedelta) -> int:
    """Return how long a reservation lasts, in milliseconds.

    Raises:
        BadInput: It is shorter than a second or longer than a day.
    """
    if not _SHORTEST <= ttl <= _LONGEST:
        raise BadInput(f"a reservation lasts 1 second to 24 hours, not {ttl}")
    return ttl // timedelta(milliseconds=1)
