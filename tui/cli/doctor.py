"""`meterdeck doctor`: what is wrong with a context, why it matters, how to mend it."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.context import Context
from meterdeck.core.model.diagnosis import Finding, Severity
from meterdeck.core.services.doctor.check import Places
from meterdeck.core.services.doctor.doctor import CHECKS, most_severe
from meterdeck.core.services.doctor.remedies import REMEDIES
from meterdeck.core.settings import find_config, spool_directory, state_dir
from meterdeck.tui.cli.arguments import config_of, output_of
from meterdeck.tui.cli.call import Call, context_of, run_in
from meterdeck.tui.cli.doctor_fix import fix
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
_TITLE = 15  # a title and a blank
_LIMIT_OF_ALL_S = 600.0
_WRONG, _AWAY = 1, 3


def run(args: Namespace) -> int:
    """Make every check; end with 0 where nothing has to be mended."""
    if args.list:
        return _list(args)
    _check_grammar(args)
    context, problem = _context(args)
    return run_in(args, context, partial(_examine, key_problem=problem))


def _check_grammar(args: Namespace) -> None:
    if args.yes and not args.fix:
        raise BadInput("--yes is for --fix: without it nothing is changed")
    if args.timeout is not None and not 0 < args.timeout < float("inf"):
        raise BadInput("--timeout: give seconds, such as 10")


def _context(args: Namespace) -> tuple[Context, str]:
    """Return the context, and why its Stripe key cannot be used.

    Raises:
        ConfigError: Something else is wrong.
    """
    try:
        return context_of(args), ""
    except ConfigError as error:
        # Where leaving the key out mends it, it is a finding like another.
        return context_of(args, with_key=False), str(error)


async def _examine(call: Call, key_problem: str) -> int:
    args = call.args
    if args.fix:
        call.refuse_read_only()
    usual_s = _LIMIT_OF_ALL_S if args.all else None
    doctor = call.engine.doctor(
        _places(call),
        key_problem=key_problem,
        whole=args.all,
        role=Role(args.role) if args.role else None,
        limit_s=args.timeout or usual_s,
    )
    checks = doctor.checks(args.checks)
    findings = []
    for check in checks:
        async with _slow(call, check.title):
            finding = await doctor.make(check)
        findings.append(finding)
        if not call.out.as_json:
            _tell(call, finding)
    fixes = await fix(call, doctor, checks, findings) if args.fix else None
    code = _AWAY if doctor.away else _code(findings, strict=args.strict)
    if call.out.as_json:
        forms = [_form(each) for each in findings]
        form: Form = {"sound": code == 0, "checks": forms}
        if fixes is not None:
            form["fixes"] = [each.form() for each in fixes]
        call.out.object({**context_form(call.context), **form})
    else:
        _sum_up(call, findings)
    return code


def _places(call: Call) -> Places:
    return Places(
        spool=spool_directory(call.context),
        state=state_dir(),
        config=find_config(config_of(call.args)),
    )


def _list(args: Namespace) -> int:
    out = output_of(args)
    if out.as_json:
        out.object(
            {
                "checks": [
                    {
                        "check": each.name,
                        "title": each.title,
                        "looks": each.looks,
                        "why": each.why,
                        "fixable": each.name in REMEDIES,
                    }
                    for each in CHECKS
                ]
            }
        )
        return 0
    out.table([(each.name, each.looks) for each in CHECKS])
    return 0


def _code(findings: list[Finding], *, strict: bool) -> int:
    bad = most_severe(findings)
    wrong = bad is Severity.FAULT or (strict and bad is not Severity.OK)
    return _WRONG if wrong else 0


def _tell(call: Call, finding: Finding) -> None:
    tone = Tone.PLAIN if finding.severity is Severity.OK else Tone.BOLD
    at_once = f" → {finding.mend}" if finding.first else ""
    call.out.line(
        _SIGNS[finding.severity],
        f" {finding.title:<{_TITLE}}",
        Cell(finding.found, tone),
        Cell(at_once, Tone.FAINT),
    )
    if finding.severity is Severity.OK or finding.first:
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
        "first": finding.first or None,
        "fixable": finding.check in REMEDIES,
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
