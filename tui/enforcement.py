"""Limits in words: how a rule enforces one, and what went beyond it."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.standing import Standing
from meterdeck.tui import phrases


def rule_words(rule: LimitRule) -> str:
    """Return a rule as people name it: `soft`, `grace 10 % 48 h`; a plain one is ""."""
    if rule.enforcement is not Enforcement.HARD:
        return rule.enforcement.value
    parts = []
    if rule.grace_percent is not None:
        parts.append(f"{rule.grace_percent} %")
    if rule.grace_hours is not None:
        parts.append(f"{rule.grace_hours} h")
    return f"grace {' '.join(parts)}" if parts else ""


def beyond_words(
    standing: Standing, scale: int, now: datetime | None = None
) -> list[str]:
    """Say what went beyond the limit, and what is only reserved.

    Args:
        now: The server's clock; without it a grace's end is told as a moment.
    """
    said = []
    beyond, ends = standing.beyond, standing.grace_ends_at
    if standing.rule.enforcement is Enforcement.SHADOW and beyond.shadow_calls:
        calls = phrases.counted(beyond.shadow_calls, "call")
        units = group_quantity(beyond.shadow_units, scale)
        said.append(f"would refuse {calls} of {units}")
    if ends is not None:
        said.append(_grace_words(ends, now))
    if standing.usage.reserved:
        said.append(f"{group_quantity(standing.usage.reserved, scale)} reserved")
    return said


def _grace_words(ends: datetime, now: datetime | None) -> str:
    if now is None:
        return f"grace until {phrases.moment(ends)}"
    if ends > now:
        return f"grace ends in {phrases.span(ends - now)}"
    return f"grace ended {phrases.day(ends, now)}"
