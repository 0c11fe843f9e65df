"""How a tenant stands with one resource: its usage, the rule, what went beyond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.usage import Broken, Usage


@dataclass(frozen=True, slots=True)
class UseBeyond:
    """What is kept of a counter's use beyond its limit.

    Attributes:
        passed_at: When a call was first allowed by a grace that ends; None for never.
        shadow_calls: Calls that a hard limit would have refused.
        shadow_units: What those calls took.
    """

    passed_at: datetime | None = None
    shadow_calls: int = 0
    shadow_units: int = 0


NOTHING_BEYOND = UseBeyond()


@dataclass(frozen=True, slots=True)
class Standing:
    """One counter with how its limit is enforced, as one look found it."""

    usage: Usage
    rule: LimitRule
    beyond: UseBeyond = NOTHING_BEYOND

    @property
    def special(self) -> bool:
        """Whether there is more to it than what is used and the limit."""
        beyond = self.rule != PLAIN or self.beyond != NOTHING_BEYOND
        return beyond or self.usage.reserved != 0

    @property
    def over(self) -> int:
        """Units used beyond the limit; 0 where there is none or nothing is."""
        used, limit = self.usage.used, self.usage.limit.units
        if limit is None or isinstance(used, Broken):
            return 0
        return max(0, used - limit)

    @property
    def grace_ends_at(self) -> datetime | None:
        """When the grace that a call has begun is over; None where none runs."""
        hours, passed_at = self.rule.grace_hours, self.beyond.passed_at
        if hours is None or passed_at is None:
            return None
        return passed_at + timedelta(hours=hours)


def lets_pass(rule: LimitRule, used: int, limit: int) -> bool:
    """Tell whether a call of one unit may pass the limit at `used`.

    A grace that ends is taken to be running: what is kept beside the counter knows.
    """
    match rule.enforcement:
        case Enforcement.SHADOW:
            return True
        case Enforcement.SOFT:
            return limit > 0
        case Enforcement.HARD:
            percent = rule.grace_percent
            if limit <= 0 or (percent is None and rule.grace_hours is None):
                return used < limit
            return percent is None or used < limit + limit * percent // 100
