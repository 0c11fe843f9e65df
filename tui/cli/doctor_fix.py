"""`meterdeck doctor --fix`: what is safe to mend, shown first, then made."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.diagnosis import Finding, Severity
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import Check
from meterdeck.core.services.doctor.doctor import Doctor
from meterdeck.core.services.doctor.remedies import Change
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.confirm import agreed, asks
from meterdeck.tui.cli.json_form import Form
from meterdeck.tui.cli.output import Cell, Tone, note


@dataclass(slots=True)
class Fix:
    """What a check's changes came to.

    Attributes:
        made: How many of them were made; None: nobody agreed to them.
        problem: Why the next one was not.
        after: What the check found afterwards; None where nothing was changed.
    """

    check: Check
    changes: Sequence[Change]
    made: int | None = None
    problem: str = ""
    after: Finding | None = field(default=None)

    def form(self) -> Form:
        """Return it for a program."""
        return {
            "check": self.check.name,
            "changes": [each.what for each in self.changes],
            "made": self.made,
            "problem": self.problem or None,
            "result": self.after.severity.value if self.after else None,
        }


async def fix(
    call: Call, doctor: Doctor, checks: Iterable[Check], findings: list[Finding]
) -> list[Fix]:
    """Show what can be mended, ask, mend it, and look again.

    `findings` are brought up to date.
    """
    wrong = (Severity.WARNING, Severity.FAULT)
    places = {each.check: at for at, each in enumerate(findings)}
    fixes = []
    for check in checks:
        if findings[places[check.name]].severity in wrong:
            fixes += await _planned(doctor, check)
    _preview(call, fixes)
    changes = sum(len(each.changes) for each in fixes)
    if not changes or not agreed(call, counted(changes, "change")):
        return fixes
    for each in fixes:
        await _make(each)
        each.after = await doctor.again(each.check)
        findings[places[each.check.name]] = each.after
        _tell(call, each)
    return fixes


async def _planned(doctor: Doctor, check: Check) -> list[Fix]:
    try:
        changes = await doctor.changes(check)
    except (MeterdeckError, OSError) as error:
        return [Fix(check, (), problem=str(error))]
    return [Fix(check, changes)] if changes else []


async def _make(planned: Fix) -> None:
    planned.made = 0
    for change in planned.changes:
        try:
            await change.make()
        except (MeterdeckError, OSError) as error:
            planned.problem = str(error)
            return
        planned.made += 1


def _preview(call: Call, fixes: Sequence[Fix]) -> None:
    """Show every change where the answer goes, and where somebody will be asked."""
    lines = list(_lines(fixes))
    if not call.out.as_json:
        call.out.line("")
        for each in lines:
            call.out.line(each)
        call.out.flush()
    if asks(call) and (call.out.as_json or not sys.stdout.isatty()):
        for each in lines:
            note(each.text)


def _lines(fixes: Sequence[Fix]) -> Iterator[Cell]:
    if not fixes:
        yield Cell("nothing of it can be mended safely from here")
    for each in fixes:
        yield Cell(f"{each.check.title} would be mended by", Tone.BOLD)
        for change in each.changes:
            yield Cell(f"  {change.what}")
        if each.problem:
            yield Cell(f"  cannot be looked at: {each.problem}", Tone.NEAR)


def _tell(call: Call, made: Fix) -> None:
    if call.out.as_json or made.after is None:
        return
    mended = made.after.severity is Severity.OK
    sign = Cell("✓", Tone.GOOD) if mended else Cell("✗", Tone.HIGH)
    why = f"; then: {made.problem}" if made.problem else ""
    done = counted(made.made or 0, "change")
    call.out.line(sign, f" {made.check.title}: {done} made{why}; {made.after.found}")
