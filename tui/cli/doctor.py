"""`meterdeck doctor`: what is wrong with a context, why it matters, how to mend it."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from meterdeck.core.model.diagnosis import Finding, Severity
from meterdeck.core.services.doctor.doctor import most_severe
from meterdeck.core.settings import spool_directory
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import Cell, Tone

_SIGNS = {
    Severity.OK: Cell("✓", Tone.GOOD),
    Severity.WARNING: Cell("!", Tone.NEAR),
    Severity.FAULT: Cell("✗", Tone.HIGH),
    Severity.UNKNOWN: Cell("?", Tone.NEAR),
}
_WORDS = (
    (Severity.FAULT, "to mend"),
    (Severity.WARNING, "to watch"),
    (Severity.UNKNOWN, "not looked at"),
)
_SLOW_S = 1.0
_TITLE = 14
_WRONG, _AWAY = 1, 3


def run(args: Namespace) -> int:
    """Make every check; end with 0 where nothing has to be mended."""
    return run_call(args, _examine, without_stripe=True)


async def _examine(call: Call) -> int:
    doctor = call.engine.doctor(
        spool_directory(call.context), whole_audit=call.args.audit
    )
    findings = []
    for check in doctor.checks:
        async with _slow(call, check.title):
            finding = await doctor.make(check)
        findings.append(finding)
        if not call.out.as_json:
            _tell(call, finding)
    code = _code(findings, strict=call.args.strict)
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "sound": code == 0,
                "checks": [_form(each) for each in findings],
            }
        )
    else:
        _sum_up(call, findings)
    return code


def _code(findings: list[Finding], *, strict: bool) -> int:
    if findings[0].severity is Severity.FAULT:
        return _AWAY
    bad = most_severe(findings)
    wrong = bad is Severity.FAULT or (strict and bad is not Severity.OK)
    return _WRONG if wrong else 0


def _tell(call: Call, finding: Finding) -> None:
    tone = Tone.PLAIN if finding.severity is Severity.OK else Tone.BOLD
    call.out.line(
        _SIGNS[finding.severity],
        f" {finding.title:<{_TITLE}}",
        Cell(finding.found, tone),
    )
    if finding.severity is Severity.OK:
        return
    margin = " " * (_TITLE + 2)
    for text in (finding.why, finding.mend and f"→ {finding.mend}"):
        for line in call.out.wrapped(text, indent=len(margin)):
            call.out.line(margin, Cell(line, Tone.FAINT))
    call.out.flush()


def _sum_up(call: Call, findings: list[Finding]) -> None:
    counts = Counter(each.severity for each in findings)
    parts = [f"{counts[each]} {words}" for each, words in _WORDS if counts[each]]
    fine = f"{counts[Severity.OK]} of {len(findings)} checks are fine"
    call.out.line("")
    call.out.line("; ".join([fine, *parts]))


def _form(finding: Finding) -> Form:
    return {
        "check": finding.check,
        "title": finding.title,
        "result": finding.severity.value,
        "found": finding.found,
        "why": finding.why,
        "mend": finding.mend or None,
    }


@asynccontextmanager
async def _slow(call: Call, title: str) -> AsyncIterator[None]:
    """Say what is being looked at, on a terminal, when it lasts over a second."""
    if call.out.as_json or not sys.stderr.isatty():
        yield
        return
    telling = asyncio.create_task(_tell_late(title))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling


async def _tell_late(title: str) -> None:
    await asyncio.sleep(_SLOW_S)
    sys.stderr.write(f"… {title}")
    sys.stderr.flush()
    try:
        await asyncio.Event().wait()
    finally:
        sys.stderr.write(f"\r{' ' * (len(title) + 2)}\r")
        sys.stderr.flush()
