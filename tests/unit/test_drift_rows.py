"""What a pass keeps of counters that differ, however many there are."""

import sys
from decimal import Decimal

from meterdeck.core.model.drift import Drifted, WorstRows
from meterdeck.core.model.reconciliation import Cause, Share
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId


def row(units: int) -> Drifted:
    """Return a counter with so many units that nobody can explain."""
    counter = CounterId(TenantId(f"t{units}"), ResourceName("calls"), "2026-11")
    share = Share(Cause.UNEXPLAINED, Decimal(units))
    return Drifted(counter, units, 0, Decimal(0), (share,))


def test_the_worst_are_kept_whenever_they_came_and_the_others_counted() -> None:
    """A meter that is set up wrongly makes every counter of a large fleet differ."""
    worst = WorstRows(most=3)
    for units in (5, 900, 1, 2, 700, 3, 4, 800, 6, 7):
        worst.add(row(units))
        assert sys.getsizeof(worst._rows) < 200

    assert [each.used for each in worst.rows] == [900, 800, 700]
    assert worst.more == 7


def test_few_are_all_kept() -> None:
    """None is counted besides."""
    worst = WorstRows(most=3)
    for units in (1, 2, 3):
        worst.add(row(units))
    assert ([each.used for each in worst.rows], worst.more) == ([3, 2, 1], 0)
