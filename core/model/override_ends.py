"""What happens when an override ends: which limit holds then, and for whom it is tight.

Everything is said of the counter as it stands now and of its present rate; nobody knows
what is used until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.changes import Override
from meterdeck.core.model.event_changes import length_words
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.standing import lets_pass
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
    percent_of,
)

_FAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class FoundOverride:
    """An override's place in Redis, and what stands there.

    Attributes:
        override: None where it is no override that could be read.
        ended: It is over, and its key is still there.
        problem: What is wrong with it; empty where nothing is.
    """

    tenant: TenantId
    resource: ResourceName
    override: Override | None
    ended: bool = False
    problem: str = ""

    @property
    def in_force(self) -> bool:
        """Whether its limit counts now."""
        return self.override is not None and not self.ended

    @property
    def expires_at(self) -> datetime | None:
        """When it ends; None: never, or nobody knows."""
        return self.override.expires_at if self.override else None


def by_end(found: FoundOverride) -> tuple[int, float, str, str]:
    """Sort by what ends first: broken and ended ones on top, endless ones last."""
    ends = found.expires_at
    group = 0 if not found.in_force else 2 if ends is None else 1
    at = ends.timestamp() if ends is not None else 0.0
    return group, at, found.tenant, found.resource


@dataclass(frozen=True, slots=True)
class Fallback:
    """What holds without an override, and the counter now.

    Attributes:
        used: None where the tenant is not known.
        rate: Units a second.
        resets_at: When the counter starts anew; None: it does not, or nobody knows.
    """

    tenant: Tenant
    resource: Resource
    limit: Limit
    rule: LimitRule
    used: int | Broken | None
    rate: float = 0.0
    resets_at: datetime | None = None


class Fate(StrEnum):
    """What the end of an override means for the tenant's calls."""

    REFUSED = "refused"
    """As much is used already as the limit that holds then."""
    OVER = "over"
    """So it is, and the limit's rule lets calls pass."""
    BY_THEN = "by_then"
    """At the present rate the limit is reached before the override ends."""
    LATER = "later"
    """At the present rate it is reached afterwards, in the same period."""
    ANEW = "anew"
    """The counter starts anew before the override ends."""
    AGAIN = "again"
    """Calls are refused now, and are not then."""
    FITS = "fits"
    UNLIMITED = "unlimited"
    UNKNOWN = "unknown"
    """The counter cannot be read, or the tenant is not known."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What happens when an override ends.

    Attributes:
        over: Units used beyond the limit that holds then.
        full_at: When that limit is reached at the present rate, if it will be.
    """

    fallback: Fallback
    fate: Fate
    over: int = 0
    full_at: datetime | None = None

    @property
    def tight(self) -> bool:
        """Whether calls will be refused that are allowed now, by all that is known."""
        return self.fate in (Fate.REFUSED, Fate.BY_THEN)


def ending_of(override: Override, fallback: Fallback, now: datetime) -> Ending:
    """Return what happens when `override` ends, or would if it ended now."""
    used, limit = fallback.used, fallback.limit.units
    ends, resets_at = override.expires_at, fallback.resets_at
    if used is None or isinstance(used, Broken):
        return Ending(fallback, Fate.UNKNOWN)
    if limit is None:
        return Ending(fallback, Fate.UNLIMITED)
    if ends is not None and resets_at is not None and now < resets_at <= ends:
        return Ending(fallback, Fate.ANEW)
    over = max(0, used - limit)
    if over or not lets_pass(fallback.rule, used, limit):
        passes = lets_pass(fallback.rule, used, limit)
        return Ending(fallback, Fate.OVER if passes else Fate.REFUSED, over)
    if _refuses_now(override, fallback.rule, used):
        return Ending(fallback, Fate.AGAIN)
    return _at_this_rate(ends, fallback, limit - used, now)


def _refuses_now(override: Override, rule: LimitRule, used: int) -> bool:
    return override.units is not None and not lets_pass(rule, used, override.units)


def _at_this_rate(
    ends: datetime | None, fallback: Fallback, left: int, now: datetime
) -> Ending:
    seconds = left / fallback.rate if fallback.rate > 0 else _FAR.total_seconds()
    full_at = now + timedelta(seconds=min(seconds, _FAR.total_seconds()))
    if full_at - now >= _FAR or (fallback.resets_at and full_at >= fallback.resets_at):
        return Ending(fallback, Fate.FITS)
    if ends is not None and full_at <= ends:
        limit = fallback.limit.units or 0
        if not lets_pass(fallback.rule, limit, limit):
            return Ending(fallback, Fate.BY_THEN, 0, full_at)
    return Ending(fallback, Fate.LATER, 0, full_at)


SHORT = {
    Fate.REFUSED: "refused",
    Fate.OVER: "over",
    Fate.BY_THEN: "refused ~",
    Fate.LATER: "full later",
    Fate.ANEW: "starts anew",
    Fate.AGAIN: "allowed",
    Fate.FITS: "fits",
    Fate.UNLIMITED: "unlimited",
    Fate.UNKNOWN: "unknown",
}
"""In at most eleven characters."""


def limit_words(fallback: Fallback) -> str:
    """Return the limit that holds then, and why: `100,000 (plan pro)`."""
    limit, tenant = fallback.limit, fallback.tenant
    if limit.source is LimitSource.NONE:
        return "no limit"
    units = limit.units
    text = "unlimited" if units is None else amount_words(units, fallback.resource)
    if limit.source is LimitSource.DEFAULT:
        return f"{text} (default plan)"
    plan = visible(tenant.plan, 40)
    return f"{text} (plan {plan})" if plan else f"{text} (plan)"


def ending_words(ending: Ending, now: datetime) -> str:
    """Say it in one line: `100,000 (plan pro): refused at once, 4,000 over`."""
    return f"{limit_words(ending.fallback)}: {fate_words(ending, now)}"


def fate_words(ending: Ending, now: datetime) -> str:
    """Say what the end means for the tenant's calls, in a few words."""
    fallback = ending.fallback
    if fallback.used is None:
        return "the tenant is not known any more"
    if isinstance(fallback.used, Broken):
        return f"its counter holds {visible(fallback.used.holds, 60)}"
    over, left = amount_words(ending.over, fallback.resource), ending.full_at
    return _SENTENCES[ending.fate].format(
        over=f"{over} over" if ending.over else "nothing is left",
        rule=fallback.rule.enforcement.value,
        span=length_words(left - now) if left else "",
        share=percent_of(fallback.used, fallback.limit.units),
        anew=f"{fallback.resets_at:%Y-%m-%d %H:%M} UTC" if fallback.resets_at else "",
    )


_SENTENCES = {
    Fate.REFUSED: "refused at once, {over}",
    Fate.OVER: "{over}, and let pass ({rule})",
    Fate.BY_THEN: "refused by then: full in ~{span} at this rate",
    Fate.LATER: "{share} % used, full in ~{span} at this rate",
    Fate.ANEW: "the counter starts anew before, {anew}",
    Fate.AGAIN: "calls that are refused now are allowed again",
    Fate.FITS: "{share} % used, nothing is refused",
    Fate.UNLIMITED: "nothing is refused",
}


def amount_words(units: int, resource: Resource) -> str:
    """Write a quantity of a resource for a person."""
    return group_quantity(units, resource.scale)
