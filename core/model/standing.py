"""How a tenant stands with one resource: its usage, the rule, what went beyond."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.model.decisions import Beyond, Refusal
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.quantity import LARGEST
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

    def verdict(self, amount: int, now: datetime) -> Refusal | Beyond | None:
        """Return what a call of so many units would be told at `now`, as in rules.lua.

        None where it stays within the limit, or there is none.
        """
        used, limit = self.usage.used, self.usage.limit.units
        if limit is None or isinstance(used, Broken):
            return None
        if self.rule.enforcement is Enforcement.SHADOW:
            # A hard limit would not have counted what it refused.
            used -= min(max(0, self.beyond.shadow_units), max(0, used))
            return Beyond.SHADOW if used + amount > limit else None
        if used + amount <= limit:
            return None
        return self._past(used, amount, limit, now)

    def _past(
        self, used: int, amount: int, limit: int, now: datetime
    ) -> Refusal | Beyond:
        """Return what a call is told that a limit without shadow has no room for."""
        if limit == 0:
            return Refusal.BLOCKED
        if self.rule.enforcement is Enforcement.SOFT:
            return Beyond.OVER
        most = self._with_grace(limit)
        fits = used + amount <= most
        if fits and self._grace_lasts(now, within=used <= limit):
            return Beyond.OVER
        bound = limit if fits else most
        return Refusal.LARGER_THAN_LIMIT if amount > bound else Refusal.OVER_LIMIT

    def _with_grace(self, limit: int) -> int:
        percent = self.rule.grace_percent
        if percent is not None:
            return min(limit + limit * percent // 100, LARGEST)
        return limit if self.rule.grace_hours is None else LARGEST

    def _grace_lasts(self, now: datetime, *, within: bool) -> bool:
        """Tell whether grace has not ended; `within`: the limit is not passed yet."""
        ends = self.grace_ends_at
        if ends is None or (self.usage.period.endless and within):
            return self.rule.grace_hours != 0  # it begins with this call
        return now < ends


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
