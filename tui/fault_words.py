"""The fault panel in words: the header's line, and what the sender made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.fault_knobs import Knob
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import Faults
from meterdeck.tui.themes import Role

OUTCOMES = (
    (EventOutcome.ACCEPTED, "✓", "accepted", Role.GOOD),
    (EventOutcome.DUPLICATE, "=", "known already", Role.GOOD),
    (EventOutcome.BUSY, "…", "put off", Role.NEAR),
    (EventOutcome.UNKNOWN, "?", "unknown", Role.NEAR),
    (EventOutcome.REFUSED, "✗", "refused", Role.HIGH),
    (EventOutcome.STOPPED, "✗", "stopped", Role.HIGH),
)
"""What the sender wrote into the delivery log, in its words."""


def value_of(sight: FaultSight, knob: Knob) -> str:
    """Write a setting; of an outage what is left of it."""
    left = sight.outage_left_s
    if knob.name == "outage_s" and left:
        return f"{left:.0f} s left"
    return shown(knob, sight.faults.value(knob))


def shown(knob: Knob, value: object) -> str:
    """Write a value of a setting; where it does nothing, that it is off."""
    return "off" if knob.acts and value == knob.off else knob.show(value)


def in_short(sight: FaultSight | None) -> Iterator[str]:
    """Yield what is on, each in a few letters, what strikes hardest first."""
    if sight is None:
        return
    active = sight.faults.active
    for knob in sorted(active, key=lambda each: each.name != "outage_s"):
        value = value_of(sight, knob)
        yield knob.word if value == "on" else f"{knob.word.replace('_', ' ')} {value}"


def stepped(knob: Knob, faults: Faults, by: int) -> object:
    """Return the next of a setting's steps, or the one before."""
    steps, value = knob.steps, faults.value(knob)
    if value in steps:
        return steps[min(max(steps.index(value) + by, 0), len(steps) - 1)]
    # A value of somebody's own: on to its neighbour among the steps.
    known = [each for each in steps if isinstance(each, int | float)]
    own = value if isinstance(value, int | float) else 0.0
    above = [each for each in known if each > own]
    below = [each for each in known if each < own]
    if by > 0:
        return above[0] if above else steps[-1]
    return below[-1] if below else steps[0]


def switched(knob: Knob, faults: Faults, before: object) -> object:
    """Return what a switch makes of a setting: off, or `before` and on again."""
    if not knob.acts:
        return stepped(knob, faults, 1)
    if faults.value(knob) != knob.off:
        return knob.off
    return knob.steps[1] if before in (None, knob.off) else before


def outcomes(
    lines: Iterable[LoggedEvent], since: datetime
) -> tuple[Counter[EventOutcome], int]:
    """Count what became of the events sent since a moment, and their requests.

    Args:
        lines: Of the delivery log, newest first.
    """
    found: Counter[EventOutcome] = Counter()
    requests = 0
    for line in lines:
        if line.at < since:
            break
        if line.source is not EventSource.APPLICATION:
            found[line.outcome] += 1
            requests += line.attempts
    return found, requests
