"""The table of the console's figures by the size of the fleet."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from bench.machine import taken_on, versions
from bench.report import Row, Section, Target, number, spread

Figures = dict[str, list[float]]
"""Values by the figure's key."""

_SAME = 2.0
"""How much more than of the smallest fleet a figure may be of the largest."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: the figure's key, its words, unit and bound.

    Attributes:
        same: Whether it has to be the same at every size.
    """

    key: str
    what: str
    unit: str
    bound: float | None = None
    same: bool = True


_LINES = (
    _Line("full", "start to first full screen", "s"),
    _Line("live", "first full screen to the first counters", "s", same=False),
    _Line("whole", "first full screen to all counters", "s", same=False),
    *(
        line
        for key, what, bound in (
            ("down", "cursor down, in view", None),
            ("scroll", "scroll one row", 8_000),
            ("page", "page down", 14_000),
            ("end", "jump to the end", 14_000),
            ("sort", "sort by a column", 14_000),
            ("filter", "a key in the filter", 14_000),
        )
        for line in (
            _Line(f"{key} bytes", f"{what}: written", "bytes", bound),
            _Line(f"{key} cpu", f"{what}: processor time until all has followed", "ms"),
            _Line(f"{key} ms", f"{what}: until it is painted", "ms"),
        )
    ),
    _Line("frame bytes", "largest frame of all these: written", "bytes", 14_000),
    _Line("idle bytes", "idle: written", "bytes/s", 60),
    _Line("idle cpu", "idle: processor time", "ms/s", 10),
    _Line("bars bytes", "20 bars move each second: written", "bytes/s", 2_500),
    _Line("bars cpu", "20 bars move each second: processor time", "ms/s", 30),
    _Line("key ms", "… a key meanwhile: until the cursor is there", "ms"),
    _Line("changes bytes", "1,000 tenants change each second: written", "bytes/s"),
    _Line("changes cpu", "1,000 tenants change each second: processor time", "ms/s"),
    _Line("tail 200 bytes", "200 events a second: written", "bytes/s", 32_000),
    _Line("tail 200 cpu", "200 events a second: processor time", "ms/s", 50),
    _Line("tail 2000 bytes", "2,000 events a second: written", "bytes/s", 32_000),
    _Line("tail 2000 cpu", "2,000 events a second: processor time", "ms/s", 50),
    _Line("tail 2000 grown", "2,000 events a second: memory, grown", "MB", 1),
    _Line("held s", "Down held 4 s at 80 ms, 1 Mbit/s: old frames after it", "s", 0.3),
    _Line("memory", "memory", "MB", 110, same=False),
)


def section(measured: Mapping[int, Figures]) -> Section:
    """Return the section: each figure of the largest fleet, beside the others."""
    sizes = sorted(measured)
    rows = [_row(line, [measured[size] for size in sizes], sizes) for line in _LINES]
    note = (
        f"{taken_on()}; {versions('textual', 'redis')}. Pseudo-terminal 120×40;"
        f" {', '.join(f'{size:,}' for size in sizes)} tenants with five counters each,"
        " written straight into the server: a context without Stripe, whose directory"
        " is read from Redis. The figure is the largest fleet's; those of all sizes"
        " stand beside it. Bytes are of the frame that answers a key; times and"
        " processor times are this machine's."
    )
    return Section("console-scale", note, rows)


def _row(line: _Line, figures: list[Figures], sizes: list[int]) -> Row:
    values = [found[line.key] for found in figures]
    if line.key == "frame bytes":
        values = [[max(each)] for each in values]
    medians = [statistics.median(each) for each in values]
    against = ""
    if line.same and len(sizes) > 1 and medians[0]:
        against = f"{number(medians[-1] / medians[0])} × that of {sizes[0]:,} tenants"
    target = None
    if line.bound is not None:
        target = Target(line.bound, at_most=True, unit=line.unit)
    measured = " / ".join(map(number, medians)) + f" {line.unit}"
    return Row(line.what, spread(values[-1]), line.unit, against, measured, target)
