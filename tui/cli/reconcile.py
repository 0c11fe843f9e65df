"""`meterdeck reconcile`: counters, ledger and Stripe side by side, and their repair."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from meterdeck.core.errors import BadInput
from meterdeck.core.model.usage import Resource, Tenant
from meterdeck.core.model.wording import minute
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked, Unchanged
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.repair_plan import (
    Choices,
    Foreign,
    Step,
    StepKind,
    plan_of,
)
from meterdeck.core.services.reconcile.repairs import Repaired
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.tui.cause_words import (
    CAUSE_WORDS,
    finding_words,
    step_words,
    units_text,
)
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.output import Cell, Row, Tone, note
from meterdeck.tui.cli.reconcile_form import report_form
from meterdeck.tui.cli.tenant_filter import filtered_tenants

_QUIET_S = 1.0
_HEAD = ("tenant", "resource", "period", "used", "accepted", "in Stripe", "causes")
_COULD_NOT_ASK = 3


@dataclass(slots=True)
class Report:
    """What was found; `compared` has only what differs."""

    compared: list[Compared] = field(default_factory=list)
    unasked: list[Unasked] = field(default_factory=list)
    agreed: int = 0
    unchanged: int = 0
    plan: list[Step] = field(default_factory=list)
    repaired: list[Repaired] | None = None

    @property
    def code(self) -> int:
        """The exit code: 0 agreed, 1 differences, 3 could not ask."""
        wrong = [each for each in self.compared if not each.finding.agreed]
        if wrong and (self.repaired is None or self._left):
            return 1
        passing = any(each.passing for each in self.unasked)
        return _COULD_NOT_ASK if passing else 0

    @property
    def _left(self) -> bool:
        """Whether a repair left something as it was."""
        nothing = any(each.kind is StepKind.NOTHING for each in self.plan)
        return nothing or any(each.problem for each in self.repaired or ())


def run(args: Namespace) -> int:
    """Compare counters with Stripe; with --repair --yes, mend what is wrong."""
    return run_call(args, _reconcile)


async def _reconcile(call: Call) -> int:
    reconciliation = call.engine.reconciliation()
    if call.args.yes and not call.args.repair:
        raise BadInput("--yes is for --repair: without it nothing is changed")
    if call.args.repair:
        call.refuse_read_only()
    report = await _compare(call, reconciliation)
    if call.args.repair:
        choices = Choices(Foreign(call.args.foreign), call.args.lower_is_right)
        wrong = [each for each in report.compared if not each.finding.agreed]
        report.plan = plan_of(wrong, choices)
        if call.args.yes and _changes(report.plan):
            report.repaired = await _repair(call, reconciliation, report.plan)
    _tell(call, report)
    return report.code


async def _compare(call: Call, reconciliation: Reconciliation) -> Report:
    report = Report()
    everything = bool(call.args.all)
    if not everything and not (await reconciliation.lives.look()).is_compared:
        note("Redis began to run since everything was compared: all of it is, now")
        everything = True
    scope = Scope(await _tenants(call), _resources(call), everything)
    async for result in reconciliation.reconciler().results(scope, _progress(call)):
        match result:
            case Unchanged():
                report.unchanged += 1
            case Unasked():
                report.unasked.append(result)
            case Compared() if result.finding.shares or not result.finding.agreed:
                report.compared.append(result)
            case Compared():
                report.agreed += 1
    report.compared.sort(key=lambda each: (each.finding.agreed, -each.finding.drift))
    return report


async def _tenants(call: Call) -> Sequence[Tenant]:
    directory = call.engine.directory
    if call.args.tenant and not call.args.filter:
        return [await directory.get(name) for name in call.args.tenant]
    meant = await filtered_tenants(call)
    known = await directory.cached() or (await directory.refresh()).tenants
    return [each for each in known if meant is None or each.id in meant]


def _resources(call: Call) -> Sequence[Resource]:
    if not call.args.resource:
        return call.context.resources
    return [call.context.resource(name) for name in call.args.resource]


def _progress(call: Call) -> Callable[[int], None]:
    """Return what says how far it is: once a second, on a terminal."""
    shows = sys.stderr.isatty() and not call.out.as_json
    next_at = time.monotonic() + _QUIET_S

    def tell(done: int) -> None:
        nonlocal next_at
        if shows and time.monotonic() >= next_at:
            next_at = time.monotonic() + _QUIET_S
            note(f"{done:,} counters compared …")

    return tell


async def _repair(
    call: Call, reconciliation: Reconciliation, plan: Sequence[Step]
) -> list[Repaired]:
    confirm(call, f"{len(_changes(plan))} changes of what is billed")
    repairs = reconciliation.repairs()
    return await repairs.apply(plan, current_actor(), call.args.reason or "")


def _changes(plan: Sequence[Step]) -> list[Step]:
    return [each for each in plan if each.kind is not StepKind.NOTHING]


def _tell(call: Call, report: Report) -> None:
    if call.out.as_json:
        call.out.object(
            report_form(
                call.context,
                compared=report.compared,
                unasked=report.unasked,
                agreed=report.agreed,
                unchanged=report.unchanged,
                plan=report.plan if call.args.repair else None,
                repaired=report.repaired,
            )
        )
        return
    if report.compared:
        call.out.table([_HEAD, *map(_row, report.compared)])
    for unasked in report.unasked:
        counter = unasked.counter
        where = f"{counter.tenant} · {counter.resource} · {counter.period}"
        call.out.line(Cell(f"{where}: not compared: {unasked.reason}", Tone.NEAR))
    if call.args.repair:
        _tell_plan(call, report)
    _tell_counts(report)


def _row(found: Compared) -> Row:
    facts, resource = found.finding.facts, found.subject.resource
    tone = Tone.PLAIN if found.finding.agreed else Tone.HIGH
    used = "gone" if facts.record.used is None else _units(found, facts.used)
    return (
        found.subject.tenant.id,
        resource.name,
        Cell(found.subject.period.label, firm=True),
        Cell(used, right=True),
        Cell(_units(found, facts.record.reported), right=True),
        Cell(units_text(facts.stripe, resource), right=True),
        Cell(finding_words(found.finding, resource), tone),
    )


def _units(found: Compared, units: int) -> str:
    return units_text(Decimal(units), found.subject.resource)


def _tell_plan(call: Call, report: Report) -> None:
    problems = {id(each.step): each.problem for each in report.repaired or ()}
    for step in report.plan:
        counter = step.subject.counter
        where = f"{counter.tenant} · {counter.resource} · {counter.period}"
        done = id(step) in problems
        mark = "-" if step.kind is StepKind.NOTHING else "✓" if done else "→"
        problem = problems.get(id(step), "")
        text = f" {where}: {CAUSE_WORDS[step.cause]}: {step_words(step)}"
        said = Cell(f" ({problem})" if problem else "", Tone.HIGH)
        call.out.line(f"{'✗' if problem else mark}{text}", said)
    if _changes(report.plan) and report.repaired is None:
        note("this is the plan: nothing was changed; to carry it out add --yes")
    elif not _changes(report.plan):
        note("there is nothing that a repair would change")


def _tell_counts(report: Report) -> None:
    wrong = sum(not each.finding.agreed for each in report.compared)
    settling = len(report.compared) - wrong
    note(
        f"{wrong:,} counters differ; {report.agreed + settling:,} agree, of which"
        f" {settling:,} with units on their way or beside the bill;"
        f" {report.unchanged:,} have not changed since; {len(report.unasked):,} were"
        " not compared"
    )
    oldest = [each.finding.since for each in report.compared if each.finding.since]
    if oldest:
        note(f"the oldest unexplained unit is no older than {minute(min(oldest))}")
