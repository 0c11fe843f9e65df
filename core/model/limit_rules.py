"""What happens to a call that would pass a limit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_HOUR_S = 3600


class Enforcement(StrEnum):
    """How a limit is enforced."""

    HARD = "hard"
    """A call that would pass the limit is refused; see `LimitRule` for grace."""
    SOFT = "soft"
    """It is allowed, counted and billed, and its answer says so."""
    SHADOW = "shadow"
    """It is allowed, and counted apart as one that would have been refused."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """How a limit is enforced, and the grace of a hard one.

    With grace a call beyond the limit is allowed where every given bound holds. A
    limit of 0 blocks under every enforcement but shadow.

    Attributes:
        grace_percent: The counter may reach the limit and so many percent of it,
            rounded down.
        grace_hours: For so many hours from the first call of the period that was
            allowed beyond the limit.
    """

    enforcement: Enforcement = Enforcement.HARD
    grace_percent: int | None = None
    grace_hours: int | None = None

    @property
    def text(self) -> str:
        """The rule as the scripts and the directory have it."""
        percent, hours = self.grace_percent, self.grace_hours
        if percent is None and hours is None:
            return self.enforcement.value
        seconds = "-" if hours is None else hours * _HOUR_S
        return (
            f"{self.enforcement.value} {'-' if percent is None else percent} {seconds}"
        )


PLAIN = LimitRule()
"""Hard, without grace."""


def read_rule(text: str) -> LimitRule | None:
    """Read what `LimitRule.text` wrote; None for anything else."""
    parts = text.split(" ")
    try:
        kind = Enforcement(parts[0])
        if len(parts) == 1:
            return LimitRule(kind)
        percent, seconds = (None if each == "-" else int(each) for each in parts[1:])
    except ValueError:
        return None
    rule = LimitRule(kind, percent, None if seconds is None else seconds // _HOUR_S)
    return rule if rule.text == text else None
