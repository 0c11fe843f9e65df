"""What is said of a filter that cannot be understood."""

from __future__ import annotations

from collections.abc import Iterable

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter.tree import Clause
from meterdeck.core.model.text import visible


def unknown_field(clause: Clause, fields: Iterable[str]) -> BadInput:
    """Say that there is no such field, and which there are."""
    name = visible(clause.name, 40)
    return BadInput(
        f"filter, character {clause.at}: there is no field {name};"
        f" {_nearest(clause.name, fields)}"
    )


def wrong_value(clause: Clause, problem: str, right: str) -> BadInput:
    """Say what is wrong with the value of a clause."""
    shown = visible(str(clause), 60)
    return BadInput(f"filter, character {clause.at}: {shown}: {problem}; {right}")


def unknown_value(clause: Clause, value: str, values: Iterable[str]) -> BadInput:
    """Say that a field has no such value, and which it has."""
    return BadInput(
        f"filter, character {clause.at}: {visible(clause.name, 40)} has no value"
        f" {visible(value, 40)}; {_nearest(value, values)}"
    )


def _nearest(wrong: str, valid: Iterable[str]) -> str:
    # Only errors pay for it.
    from difflib import get_close_matches  # noqa: PLC0415

    names = tuple(dict.fromkeys(valid))
    near = get_close_matches(wrong.lower(), names, n=1, cutoff=0.6)
    listed = ", ".join(visible(name, 40) for name in names)
    return (
        f"did you mean {near[0]}? valid are: {listed}"
        if near
        else f"valid are: {listed}"
    )
