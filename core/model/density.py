"""How full a fleet is: tenants by bands, and bands as cells of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum


class Band(IntEnum):
    """How much of its limit a tenant's worst resource has used; the worst first."""

    FULL = 0
    """100 percent and more."""
    HIGH = 1
    """Above 90 percent."""
    NEAR = 2
    """Above 70 percent."""
    HALF = 3
    """Above 50 percent."""
    THIRD = 4
    """Above 30 percent."""
    LITTLE = 5
    """Above 10 percent."""
    IDLE = 6
    """Up to 10 percent."""
    UNLIMITED = 7


_ABOVE = ((90, Band.HIGH), (70, Band.NEAR), (50, Band.HALF), (30, Band.THIRD),
          (10, Band.LITTLE))  # fmt: skip


def band_of(percent: int) -> Band:
    """Return the band of a share; a negative one is that of no limit."""
    if percent >= 100:
        return Band.FULL
    for least, band in _ABOVE:
        if percent > least:
            return band
    return Band.IDLE if percent >= 0 else Band.UNLIMITED


def band_counts(worst: Iterable[int]) -> list[int]:
    """Return how many there are in each band, in the order of `Band`."""
    counts = [0] * len(Band)
    # Counting is done in C; there are a few hundred different shares.
    for percent, count in Counter(worst).items():
        counts[band_of(percent)] += count
    return counts


def band_cells(counts: Sequence[int], room: int) -> list[int]:
    """Return how many of `room` cells each band gets.

    One cell a tenant where there is room; else in proportion, and what is near its
    limit or beyond has at least one, so that nothing bad is rounded away.
    """
    total = sum(counts)
    if total <= room:
        return list(counts)
    if room <= 0:
        return [0] * len(counts)
    shares = [count * room / total for count in counts]
    cells = [int(share) for share in shares]
    for band in (Band.FULL, Band.HIGH, Band.NEAR):
        if counts[band] and not cells[band]:
            cells[band] = 1
    rest = sorted(range(len(counts)), key=lambda place: cells[place] - shares[place])
    for place in rest:
        if sum(cells) < room and counts[place]:
            cells[place] += 1
    while sum(cells) > room:  # what was raised to one is taken from the largest
        largest = max(range(len(cells)), key=lambda place: (cells[place], place))
        cells[largest] -= 1
    return cells
