"""`meterdeck resolve`, `cancel` and `compensate`: change one meter event."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import Refused
from meterdeck.core.model.change_requests import EventWish
from meterdeck.core.model.event_changes import (
    CANCELS,
    STATE_WORDS,
    EventChange,
    EventPlan,
)
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.event import identifier_of
from meterdeck.tui.cli.event_form import plan_form
from meterdeck.tui.cli.foresight import check_signed, foretell
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.phrases import EVENT_EFFECTS


def run_resolve(args: Namespace) -> int:
    """Say whether Stripe has counted an event."""
    return run_call(args, _resolve, without_stripe=True)


def run_cancel(args: Namespace) -> int:
    """Have Stripe not count an event."""
    return run_call(args, _cancel)


def run_compensate(args: Namespace) -> int:
    """Take an event back by a negative one."""
    return run_call(args, _compensate, without_stripe=True)


async def _resolve(call: Call) -> int:
    counted = call.args.counted
    return await _change(
        call, EventChange.COUNTED if counted else EventChange.NOT_COUNTED
    )


async def _cancel(call: Call) -> int:
    rebill = call.args.rebill
    return await _change(call, EventChange.REBILL if rebill else EventChange.CANCEL)


async def _compensate(call: Call) -> int:
    return await _change(call, EventChange.COMPENSATE)


async def _change(call: Call, change: EventChange) -> int:
    check_signed(call)
    changes = call.engine.event_changes
    plan = await changes.plan(change, identifier_of(call.args.identifier))
    # What was done under a given id is told again, though it cannot be done now.
    if plan.problem and (call.args.dry_run or call.args.operation_id is None):
        raise Refused(plan.problem)
    if change not in CANCELS:
        tenant, identifier = plan.event.line.tenant, plan.event.identifier
        await foretell(call, EventWish(tenant, change, identifier, call.args.reason))
    if call.args.dry_run:
        return _tell(call, plan)
    confirm(call, f"{_about(plan)}: {EVENT_EFFECTS[change]}")
    operation_id = operation_id_of(call.args)
    done = await changes.perform(
        change,
        plan.event.identifier,
        actor=current_actor(),
        reason=call.args.reason,
        operation_id=operation_id,
    )
    return _tell(
        call,
        done.plan,
        operation_id=operation_id,
        audit_id=done.audit_id,
        replayed=done.replayed,
    )


def _about(plan: EventPlan) -> str:
    line = plan.event.line
    where = " · ".join(part for part in (line.tenant, line.resource) if part)
    return f"{where} · {line.event.value} ({STATE_WORDS[plan.event.state]})"


def _tell(
    call: Call,
    plan: EventPlan,
    *,
    operation_id: str | None = None,
    audit_id: str = "",
    replayed: bool = False,
) -> int:
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                **plan_form(plan),
                "audit_id": audit_id or None,
                "operation_id": operation_id,
                "replayed": replayed,
                "dry_run": operation_id is None,
            }
        )
        return 0
    call.out.line(
        f"{_about(plan)}: ",
        EVENT_EFFECTS[plan.change],
        Cell(f"  {plan.event.identifier}", Tone.FAINT),
    )
    if operation_id is None:
        note("dry run: nothing was changed")
    elif replayed:
        note("this operation was done before; nothing was changed again")
    return 0
