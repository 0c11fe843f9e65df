"""Usage on disk: a row an event, in the order of receipt; totals are made of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.state.database import Database
from meterdeck.core.local_stripe.totals import Point
from meterdeck.core.local_stripe.usage import (
    UNIQUE_FOR,
    Accepted,
    Cancelled,
    Change,
    Past,
    UsageStore,
)

_INSERT = "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
_CANCEL = "UPDATE usage SET cancelled_at = ? WHERE sequence = ?"
_FORGET = "DELETE FROM usage WHERE customer IS NULL AND received < ?"
_ALL = (
    "SELECT sequence, meter, customer, timestamp, value, received, identifier,"
    " event_name, cancelled_at FROM usage ORDER BY sequence"
)


def restore_usage(
    usage: UsageStore,
    database: Database,
    meter_of: Callable[[str], Meter],
    now: datetime,
) -> None:
    """Count everything again that was counted, and remember a day's identifiers.

    Raises:
        ValueError, ArithmeticError: A row is none of ours.
    """
    for row in database.all(_ALL):
        sequence, meter, customer, timestamp, value, received, key, name, gone = row
        point = Point(int(timestamp), int(sequence), Decimal(value))
        if received is None:
            usage.recall_sequence(point.sequence)
            usage.add_past(meter_of(meter), customer, point)
            continue
        at = datetime.fromisoformat(received)
        event = Accepted(key, name, meter, customer, point, at, gone is not None)
        cancelled_at = datetime.fromisoformat(gone) if gone else None
        usage.recall(meter_of(meter), event, cancelled_at, now)
    usage.recalled()
    usage.changes = []


def forget_usage(database: Database, now: datetime) -> None:
    """Drop what nobody was billed for, once its identifier may be used again."""
    database.many(_FORGET, [((now - UNIQUE_FOR).isoformat(),)])


def save_usage(usage: UsageStore, database: Database) -> bool:
    """Write what was added and cancelled; tell whether anything was."""
    if not usage.changes:
        return False
    added = [_row(each) for each in usage.changes if not isinstance(each, Cancelled)]
    database.many(_INSERT, added)
    gone = [each for each in usage.changes if isinstance(each, Cancelled)]
    if gone:
        database.many(_CANCEL, [(each.at.isoformat(), each.sequence) for each in gone])
    return True


def _row(change: Change) -> tuple[object, ...]:
    assert not isinstance(change, Cancelled)
    point = change.point
    counted = point.sequence, change.meter, change.customer, point.timestamp
    if isinstance(change, Past):
        return *counted, str(point.value), None, None, None
    received = change.received.isoformat()
    return *counted, str(point.value), received, change.identifier, change.event_name
