"""Stripe's clock, as the Date headers of its answers tell it, and times for v2."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return this host's time."""
    return datetime.now(UTC)


@lru_cache(maxsize=256)  # the events of a batch are of few different seconds
def rfc3339(moment: datetime) -> str:
    """Write a moment as v2 takes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


class StripeClock:
    """How far Stripe's clock is ahead of `own`, to about a second.

    Args:
        own: The clock it is compared with: this host's unless told.
    """

    def __init__(self, own: Clock = wall_clock) -> None:
        self.own = own
        self._skew_s: float | None = None
        self._last = ""

    @property
    def skew_s(self) -> float | None:
        """Seconds Stripe is ahead, negative when behind; None before an answer."""
        return self._skew_s

    def learn(self, date: str) -> None:
        """Take the Date header of an answer that has just arrived."""
        if date == self._last:
            return  # most answers of a busy second say the same
        self._last = date
        try:
            told = parsedate_to_datetime(date)
        except ValueError:
            return  # a proxy's invention tells nothing
        if told.tzinfo is not None:
            self._skew_s = (told - self.own()).total_seconds()
