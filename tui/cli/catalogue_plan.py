"""`meterdeck catalogue plan`: how Stripe differs from what is declared."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from meterdeck.core.model.catalogue_steps import CataloguePlan, Doing, Step
from meterdeck.tui.catalogue_words import (
    MARKS,
    effect_words,
    left_alone_words,
    step_words,
    totals_words,
)
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.catalogue_plan_form import plan_form
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Row, Tone, note

_TONES = {
    Doing.CREATE: Tone.GOOD,
    Doing.CHANGE: Tone.LOW,
    Doing.REPLACE: Tone.NEAR,
    Doing.ARCHIVE: Tone.HIGH,
}


def run(args: Namespace) -> int:
    """Show the plan; ends with 1 where anything differs."""
    return run_call(args, _plan)


async def _plan(call: Call) -> int:
    plan = await call.engine.catalogue.plan()
    if call.out.as_json:
        call.out.object({**context_form(call.context), **plan_form(plan)})
    else:
        show(call, plan)
        if plan.steps and not plan.problems:
            note("to make Stripe so: meterdeck catalogue apply")
    return 0 if plan.agrees else 1


def show(call: Call, plan: CataloguePlan) -> None:
    """Print a plan for people: what is done, what cannot be, what is left alone."""
    if not call.context.catalogue.declared:
        note(
            "the configuration declares no meters, products and prices; to write what"
            " Stripe has: meterdeck catalogue import"
        )
    elif plan.agrees:
        call.out.line(Cell("no difference", Tone.GOOD), ": Stripe is as declared")
    call.out.table([row for step in plan.steps for row in _rows(step, plan)])
    for problem in plan.problems:
        call.out.line(Cell(f"✗ {problem.where}", Tone.HIGH), f": {problem.why}")
    if plan.steps:
        call.out.line(totals_words(plan))
    for words in plan.notes:
        note(words)
    if left := left_alone_words(plan.left_alone):
        note(f"not declared, and left alone: {left}")


def _rows(step: Step, plan: CataloguePlan) -> Iterator[Row]:
    tone = _TONES[step.doing]
    first = (
        Cell(MARKS[step.doing], tone),
        Cell(step.thing, tone),
        Cell(step.name, firm=True),
    )
    for words in (*step_words(step), effect_words(step, plan.users_of(step))):
        if words:
            yield *first, Cell(words)
            first = (Cell(""), Cell(""), Cell("", firm=True))
