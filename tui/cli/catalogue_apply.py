"""`meterdeck catalogue apply`: make Stripe as the configuration declares it."""

from __future__ import annotations

from argparse import Namespace
from uuid import uuid4

from meterdeck.core.errors import MeterdeckError, UnknownOutcome
from meterdeck.core.model.catalogue_steps import CataloguePlan
from meterdeck.core.services.catalogue_steps import Applied
from meterdeck.tui.catalogue_words import MARKS, totals_words
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.catalogue_plan import show
from meterdeck.tui.cli.catalogue_plan_form import applied_form
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note


def run(args: Namespace) -> int:
    """Show the plan, ask in a live context, and carry it out."""
    return run_call(args, apply)


async def apply(call: Call) -> int:
    """Do it in a context that is open.

    Raises:
        Refused: The context allows no changes, or it is live and nobody agreed.
    """
    call.refuse_read_only()
    plan = await call.engine.catalogue.plan()
    if not call.out.as_json:
        show(call, plan)
    if plan.problems or not plan.steps or call.args.dry_run:
        return _nothing_done(call, plan)
    confirm(call, f"the catalogue: {totals_words(plan)}")
    return await _carry_out(call, plan)


def _nothing_done(call: Call, plan: CataloguePlan) -> int:
    if call.out.as_json:
        _object(call, plan, "", [])
    elif plan.problems:
        note("nothing was changed: there is what cannot be done")
    elif plan.steps:
        note("dry run: nothing was changed")
    return 1 if plan.problems else 0


async def _carry_out(call: Call, plan: CataloguePlan) -> int:
    operation_id = uuid4().hex
    done: list[Applied] = []
    async for applied in call.engine.catalogue.apply(plan, operation_id):
        done.append(applied)
        if not call.out.as_json:
            _tell(call, applied)
    failed = done[-1].error
    if call.out.as_json:
        _object(call, plan, operation_id, done)
    elif failed:
        rest = len(plan.steps) - len(done)
        note(
            f"stopped: {len(done) - 1:,} steps were done, {rest:,} were not begun;"
            " apply again to go on from here"
        )
    return failed.exit_code if failed else 0


def _tell(call: Call, applied: Applied) -> None:
    step, error = applied.step, applied.error
    call.out.line(
        Cell("✗ " if error else "✓ ", Tone.HIGH if error else Tone.GOOD),
        f"{MARKS[step.doing]} {step.thing} {step.name}  ",
        Cell(f"operation {applied.operation_id}", Tone.FAINT),
    )
    if error:
        call.out.line(Cell(f"  {_why(error)}", Tone.HIGH))
    call.out.flush()


def _why(error: MeterdeckError) -> str:
    if isinstance(error, UnknownOutcome):
        return (
            "the answer was lost, and Stripe does not show that it was done; whether it"
            " was, the next plan says"
        )
    return str(error)


def _object(
    call: Call, plan: CataloguePlan, operation_id: str, done: list[Applied]
) -> None:
    call.out.object(
        {
            **context_form(call.context),
            **applied_form(plan, done),
            "operation_id": operation_id or None,
            "dry_run": bool(call.args.dry_run),
        }
    )
