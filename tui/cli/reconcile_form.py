"""The JSON form of `meterdeck reconcile`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterdeck.core.model.context import Context
from meterdeck.core.model.reconciliation import Finding
from meterdeck.core.services.reconcile.reconciler import Unasked
from meterdeck.core.services.reconcile.repair_plan import Step, StepKind
from meterdeck.core.services.reconcile.repairs import Repaired
from meterdeck.core.services.reconcile.subjects import Compared, Subject
from meterdeck.tui.cause_words import CAUSE_WORDS, step_words
from meterdeck.tui.cli.json_form import Form, context_form, moment, period_form


def report_form(
    context: Context,
    *,
    compared: Sequence[Compared],
    unasked: Sequence[Unasked],
    agreed: int,
    unchanged: int,
    plan: Sequence[Step] | None,
    repaired: Sequence[Repaired] | None,
) -> Form:
    """Return what was found, and with a plan what it is and what became of it."""
    form: Form = {
        **context_form(context),
        "agreed": agreed,
        "unchanged": unchanged,
        "differences": [_compared(each) for each in compared],
        "not_compared": [
            {
                "tenant": each.counter.tenant,
                "resource": each.counter.resource,
                "period": each.counter.period,
                "reason": each.reason,
                "passing": each.passing,
            }
            for each in unasked
        ],
    }
    if plan is not None:
        problems = {id(each.step): each.problem for each in repaired or ()}
        form["dry_run"] = repaired is None
        form["repair"] = [_step(each, problems) for each in plan]
    return form


def _compared(found: Compared) -> Form:
    finding, facts = found.finding, found.finding.facts
    record = facts.record
    return {
        **_subject(found.subject),
        "period": period_form(found.subject.period),
        "used": record.used,
        "reserved": record.reserved,
        "offset": record.offset,
        "reported": record.reported,
        "parked": record.parked,
        "in_flight": record.claim.units if record.claim else 0,
        "waiting": record.waiting,
        "stripe": _number(facts.stripe),
        "difference": _number(finding.difference),
        "agreed": finding.agreed,
        "drift": _number(finding.drift),
        "causes": _causes(finding),
        "held": facts.held or None,
        "unexplained_since": moment(finding.since),
    }


def _causes(finding: Finding) -> list[Form]:
    return [
        {
            "cause": each.cause.value,
            "units": _number(each.units),
            "fault": each in finding.faults,
            "words": CAUSE_WORDS[each.cause],
        }
        for each in finding.shares
    ]


def _step(step: Step, problems: dict[int, str]) -> Form:
    done = id(step) in problems and not problems[id(step)]
    return {
        **_subject(step.subject),
        "period": step.subject.period.label,
        "cause": step.cause.value,
        "step": step.kind.value,
        "units": _number(step.units),
        "words": step_words(step),
        "operation_id": None if step.kind is StepKind.NOTHING else step.operation_id,
        "done": done,
        "problem": problems.get(id(step)) or None,
    }


def _subject(subject: Subject) -> Form:
    return {
        "tenant": subject.tenant.id,
        "resource": subject.resource.name,
        "scale": subject.resource.scale,
    }


def _number(units: Decimal) -> int | str:
    """Return whole units as a number, and parts of one as exact text."""
    whole = units.to_integral_value()
    return int(whole) if whole == units else f"{units.normalize():f}"
