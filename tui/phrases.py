"""Times, rates and counts in the few words a dense screen has room for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from meterdeck.core.model import wording
from meterdeck.core.model.event_changes import EventChange, length_words
from meterdeck.core.model.quantity import (
    group_quantity,
    short_quantity,
)
from meterdeck.core.model.usage import Resource, ResourceKind, TenantStatus
from meterdeck.core.model.windows import Window, WindowKind

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip

STATUS_WORDS = {
    TenantStatus.NO_SUBSCRIPTION: "no sub",
    TenantStatus.PAST_DUE: "past due",
    TenantStatus.INCOMPLETE_EXPIRED: "expired",
}


def status_word(status: TenantStatus) -> str:
    """Return a status in at most ten characters."""
    return STATUS_WORDS.get(status, status.value)


def clock(at: datetime) -> str:
    """Return the time of day in UTC: `14:02:11`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return f"{at.hour:02}:{at.minute:02}:{at.second:02}"


ERROR_WORDS = "± 0.81 %"
"""How far an estimate of distinct members is off, as a standard error."""


def used_words(used: int, resource: Resource) -> str:
    """Return what a counter holds, in full; an estimate says that it is one."""
    sign = "≈" if resource.kind is ResourceKind.UNIQUE and used else ""
    return f"{sign}{group_quantity(used, resource.scale)}"


def recent(at: datetime, now: datetime) -> str:
    """Return the time of day, of another day its date: `14:02:11`, `  21 Nov`."""
    if at.astimezone(UTC).date() == now.astimezone(UTC).date():
        return clock(at)
    return f"{day(at, now):>8}"


def day(at: datetime, now: datetime) -> str:
    """Return a date in UTC: `1 Dec`, with its year when that is another one."""
    at = at.astimezone(UTC)
    text = f"{at.day} {_MONTHS[at.month - 1]}"
    return text if at.year == now.astimezone(UTC).year else f"{text} {at.year % 100}"


moment = wording.minute
"""Date and time in UTC: `2026-12-01 00:00`."""


def span(length: timedelta) -> str:
    """Return a length of time in two units: `8d 9h`, `3h 12m`, `45s`."""
    seconds = int(length.total_seconds())
    if seconds <= 0:
        return "now"
    if seconds < 60:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes}m"
    if hours < 24:
        return f"{hours}h {minutes % 60}m"
    if days < 100:
        return f"{days}d {hours % 24}h"
    return f"{days}d"


def coarse(length: timedelta) -> str:
    """Return an estimate in one unit: `~6h`, so that it does not flicker."""
    seconds = int(length.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"~{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def rate(per_second: float, scale: int = 0) -> str:
    """Return a burn rate by the minute, or by the hour when slower: `52/min`."""
    if per_second <= 0:
        return "–"
    smallest = 10**scale
    if per_second * 60 >= smallest:
        return f"{short_quantity(round(per_second * 60), scale)}/min"
    if per_second * 3600 >= smallest:
        return f"{short_quantity(round(per_second * 3600), scale)}/h"
    return f"{short_quantity(round(per_second * 86400), scale)}/d"


def ago(length: timedelta) -> str:
    """Return an age: `12 s`, `3 min`, `2 h`."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def latency(milliseconds: float) -> str:
    """Return a round trip: `<1 ms`, `12 ms`, `1.4 s`."""
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


counted = wording.counted
"""A count with its noun: `1 tenant`, `1,204 tenants`."""


def windows_words(windows: Sequence[Window], now: datetime) -> list[str]:
    """Return each window with what is left of it: `cancel 3 h 12 m left`."""
    return [window_words(window, now) for window in windows]


def window_words(window: Window, now: datetime) -> str:
    """Return a window with what is left of it, or that it is closed."""
    name = WINDOW_WORDS[window.kind]
    if not window.is_open(now):
        return f"{name} closed"
    return f"{name} {length_words(window.left(now))} left"


WINDOW_WORDS = {
    WindowKind.CANCEL: "cancel",
    WindowKind.IDENTIFIER: "identifier",
    WindowKind.TIMESTAMP: "35 days",
    WindowKind.INVOICE: "invoice",
}

EVENT_EFFECTS = {
    EventChange.REPLAY: "Its units go out again with the next flush, in a new event.",
    EventChange.CANCEL: (
        "Stripe takes it out of its totals; its units are not billed again,"
        " and the counter keeps them."
    ),
    EventChange.REBILL: (
        "Stripe takes it out of its totals; its units go out again in a new event."
    ),
    EventChange.COMPENSATE: (
        "A negative event of as many units goes out with the next flush;"
        " the counter keeps them."
    ),
    EventChange.COUNTED: "Its units are taken for billed; nothing is sent.",
    EventChange.NOT_COUNTED: "Its units go out again with the next flush.",
}
"""What follows from a change of a meter event."""

EVENT_DONE = {
    EventChange.REPLAY: "its units go out again",
    EventChange.CANCEL: "cancelled at Stripe, not billed again",
    EventChange.REBILL: "cancelled at Stripe, its units go out again",
    EventChange.COMPENSATE: "a negative event goes out",
    EventChange.COUNTED: "taken for counted",
    EventChange.NOT_COUNTED: "its units go out again",
}
"""What was done to a meter event."""

WINDOW_MEANS = {
    WindowKind.CANCEL: "Stripe can be asked to drop it",
    WindowKind.IDENTIFIER: "sent again, it counts once",
    WindowKind.TIMESTAMP: "Stripe takes events of its age",
    WindowKind.INVOICE: "it comes on its period's invoice",
}
"""What a window is for."""
