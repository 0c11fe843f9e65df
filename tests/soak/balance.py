"""The balance sheet: what was told, counted, sent and left, and whether it agrees."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from tests.soak.books import Books, Key, of_kind
from tests.soak.journal import Account, Kind, Told
from tests.soak.operators import Operators
from tests.soak.processes import Sample

MOST_GROWTH_MB = 8.0
"""Of a program's memory, from the second quarter of its life to the last."""
MOST_SHARE = 0.08
MOST_FILES = 64
"""Open at once: a pool of 32 connections to Redis fills when it is needed."""
_ENOUGH = 900
"""Samples of one process, one a second, from which on growth is judged."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the sheet: two numbers that have to be the same.

    Attributes:
        spare: What the second may be more, where somebody was told nothing.
    """

    what: str
    left: int
    right: int
    spare: int = 0

    @property
    def balances(self) -> bool:
        """Whether they are."""
        return self.left <= self.right <= self.left + self.spare


@dataclass
class Sheet:
    """All rows, the figures beside them, and what is wrong.

    Attributes:
        faults: Sentences; none is wanted.
    """

    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    calls: Counter[tuple[Kind, Told]] = field(default_factory=Counter)
    struck: Mapping[str, int] = field(default_factory=dict)
    figures: list[tuple[str, str]] = field(default_factory=list)
    growth: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether everything does."""
        return not self.faults and all(each.balances for each in self.rows)

    def add(self, what: str, left: int, right: int, spare: int = 0) -> None:
        """Add a row."""
        self.rows.append(Row(what, left, right, spare))


def counted(
    sheet: Sheet, before: Books, after: Books, told: Account, operators: Operators
) -> None:
    """Hold what everybody was told against the counters, one by one."""
    sheet.calls = told.told
    kinds = {resource for _, resource in after.lines}
    for resource in sorted(kinds - {"disk"}):
        sure = _of(told.sure, resource) + _of(operators.changed, resource)
        begun = before.sum("used", resource)
        perhaps = _of(told.perhaps, resource)
        what = f"{resource}: at the beginning + told + operators = counters"
        sheet.add(what, begun + sure, after.sum("used", resource), perhaps)
    for key, line in after.lines.items():
        if key[1] == "disk":
            wanted, spare = told.levels.get(key, line.used), 0
        else:
            begun = before.lines[key].used if key in before.lines else 0
            wanted = begun + told.sure[key] + operators.changed[key]
            spare = told.perhaps[key]
        if not wanted <= line.used <= wanted + spare:
            told_of = f"{wanted:,} to {wanted + spare:,}" if spare else f"{wanted:,}"
            sheet.faults.append(f"{key} holds {line.used:,}; told of: {told_of}")
    sheet.add(
        "gauges whose level is the last reading", len(told.levels), _levels(after, told)
    )


def _levels(after: Books, told: Account) -> int:
    return sum(after.lines[key].used == level for key, level in told.levels.items())


def delivered(
    sheet: Sheet,
    before: Books,
    after: Books,
    stripe: Counter[Key],
    *,
    operators: Operators,
    kinds: Mapping[str, str],
) -> None:
    """Hold counters against records, and records against what Stripe has."""
    for resource, kind in sorted(kinds.items()):
        lines = {key: each for key, each in after.lines.items() if key[1] == resource}
        if kind == "counter":
            _of_counters(sheet, resource, before, after, operators)
        waiting = 0
        for key, line in lines.items():
            wanted = line.used if kind == "events" else line.reported
            if stripe[key] != wanted:
                sheet.faults.append(
                    f"{key}: Stripe has {stripe[key]:,}, not {wanted:,}"
                )
            if kind == "counter" and line.waiting:
                waiting += 1
                sheet.faults.append(f"{key} has {line.waiting:,} waiting: {line}")
        name = "used" if kind == "events" else "reported"
        mine = after.sum(name, resource)
        sheet.add(
            f"{resource}: {name} = at Stripe", mine, sum(stripe[key] for key in lines)
        )
        if kind == "gauge":
            level = after.sum("used", resource)
            sheet.add(f"{resource}: levels = reported", level, mine)


def _of_counters(
    sheet: Sheet, resource: str, before: Books, after: Books, operators: Operators
) -> None:
    def total(name: str) -> int:
        return after.sum(name, resource)

    right = total("reported") + total("parked") + total("in_flight")
    left = total("used") + total("offset") - total("reserved")
    what = f"{resource}: used + offset − reserved = reported + parked + in flight"
    sheet.add(what, left, right)
    unbilled = _of(operators.unbilled, resource)
    offset = before.sum("offset", resource) - total("offset")
    sheet.add(f"{resource}: quota only = − offset", unbilled, offset)


def left_over(sheet: Sheet, after: Books) -> None:
    """Nothing is anybody's any more."""
    lines = after.lines.values()
    sheet.add(
        "leases of workers", 0, sum(each.leases for each in lines) + after.unsettled
    )
    sheet.add("reservations", 0, sum(each.reserved for each in lines))
    sheet.add("counters held", 0, sum(each.held for each in lines))
    sheet.add("queued events", 0, after.queued)
    sheet.add("notes of events that were sent", 0, after.noted)
    sheet.add("letters", 0, after.letters)


def audited(
    sheet: Sheet, before: Books, after: Books, operators: Operators, proof: str
) -> None:
    """Each change has its entry, and the chain is whole."""
    found = json.loads(proof)
    changes = sum(operators.done.values())
    sheet.add(
        "operators' changes = audit entries", changes, after.audited - before.audited
    )
    sheet.add("audit entries = proven", after.audited, int(found["entries"]))
    if not found["sound"]:
        sheet.faults.append(f"the audit trail is broken: {found['broken']}")
    sheet.faults += [f"an operator was refused: {each}" for each in operators.refused]


def reconciled(sheet: Sheet, answer: str) -> None:
    """What `meterdeck reconcile` says of it all."""
    found = json.loads(answer)
    differing = [each for each in found["differences"] if not each["agreed"]]
    sheet.add("reconcile: counters that differ", 0, len(differing))
    sheet.faults += [f"reconcile: {each}" for each in differing[:5]]


def bounded(
    sheet: Sheet, samples: Mapping[str, list[Sample]], apart: Iterable[str]
) -> None:
    """Each program's memory and open files, in the longest life of one process.

    Args:
        apart: Programs that hold by their nature what was done so far.
    """
    for name, taken in samples.items():
        lives: dict[int, list[Sample]] = {}
        for each in taken:
            lives.setdefault(each.pid, []).append(each)
        life = max(lives.values(), key=len)
        row, grown = _growth(name, life, len(lives))
        sheet.growth.append(row)
        if grown and len(life) >= _ENOUGH and name not in apart:
            sheet.faults.append(f"{name} {grown}")


def _growth(name: str, life: list[Sample], lives: int) -> tuple[tuple[str, ...], str]:
    quarter = max(1, len(life) // 4)
    early, late = life[quarter : 2 * quarter] or life, life[-quarter:]
    memory = [median(each.memory_mb for each in part) for part in (early, late)]
    files = [int(median(each.files for each in part)) for part in (early, late)]
    seconds = life[-1].at_s - life[0].at_s
    slope = _slope(life[quarter:])
    row = (
        name,
        str(lives),
        f"{seconds:.0f}",
        f"{memory[0]:.1f}",
        f"{memory[1]:.1f}",
        f"{slope:+.2f}",
        f"{files[0]}",
        f"{files[1]}",
    )
    grown = ""
    if memory[1] - memory[0] > max(MOST_GROWTH_MB, memory[0] * MOST_SHARE):
        grown = f"grew from {memory[0]:.1f} to {memory[1]:.1f} MB in {seconds:.0f} s"
    elif files[1] > max(files[0], MOST_FILES):
        grown = f"has {files[1]} files open, and had {files[0]}"
    return row, grown


def _slope(samples: list[Sample]) -> float:
    """Return MB a minute, by least squares."""
    if len(samples) < 2:
        return 0.0
    at = [each.at_s / 60 for each in samples]
    mean_at = sum(at) / len(at)
    mean = sum(each.memory_mb for each in samples) / len(samples)
    pairs = zip(at, samples, strict=True)
    above = sum((x - mean_at) * (each.memory_mb - mean) for x, each in pairs)
    below = sum((x - mean_at) ** 2 for x in at)
    return above / below if below else 0.0


def _of(counts: Mapping[Key, int], resource: str) -> int:
    return sum(units for (_, each), units in counts.items() if each == resource)


__all__ = ["Row", "Sheet", "audited", "bounded", "counted", "delivered", "of_kind"]
