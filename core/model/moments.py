"""Moments as milliseconds since 1970, as requests and their answers carry them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LATEST_MS = 253_402_300_799_000
"""The end of the year 9999."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_at(value: int) -> datetime:
    """Return the moment `value` milliseconds after 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=value)


def moment_ms(moment: datetime) -> int:
    """Return milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
