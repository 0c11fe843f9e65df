"""`meterdeck undo`: take back what an operator changed, as a change of its own."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.model.change_requests import TakeBack
from meterdeck.core.model.changes import Undone
from meterdeck.core.model.wording import trail_words
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.foresight import foretell
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import second


def run(args: Namespace) -> int:
    """Undo an audit entry, or the newest one that can be."""
    return run_call(args, _undo, without_stripe=True)


async def _undo(call: Call) -> int:
    call.refuse_read_only()
    tenant = await call.tenant_id()
    assert tenant is not None  # the grammar asks for it
    changes = call.engine.changes
    foreseen = await changes.preview_undo(
        tenant, call.args.audit_id, operation_id=call.args.operation_id or ""
    )
    await foretell(call, TakeBack(tenant, foreseen.entry.id, call.args.reason))
    if call.args.dry_run:
        return _tell(call, foreseen, operation_id=None)
    confirm(call, f"{_change(call, foreseen)}; {_what(foreseen)}")
    operation_id = operation_id_of(call.args)
    done = await changes.undo(
        tenant,
        foreseen.entry.id,
        actor=current_actor(),
        reason=call.args.reason,
        operation_id=operation_id,
    )
    return _tell(call, done, operation_id=operation_id)


def _tell(call: Call, done: Undone, *, operation_id: str | None) -> int:
    entry = done.entry
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": entry.tenant,
                "undoes": entry.id,
                "action": done.action,
                "resource": entry.resource,
                "scale": call.context.resource(entry.resource).scale,
                "period": entry.period or None,
                "before": done.before,
                "after": done.after,
                "bill": entry.bill or None,
                "audit_id": done.audit_id or None,
                "operation_id": operation_id,
                "replayed": done.replayed,
                "dry_run": bool(call.args.dry_run),
            }
        )
        return 0
    call.out.line(_change(call, done), Cell(f"  {_what(done)}", Tone.FAINT))
    if call.args.dry_run:
        note("dry run: nothing was changed")
    elif done.replayed:
        note("this operation was done before; nothing was changed again")
    return 0


def _change(call: Call, done: Undone) -> str:
    resource = call.context.resource(done.entry.resource)
    what = f"limit of {resource.label}"
    if done.entry.period:
        what = f"{resource.label} · {done.entry.period}"
    before, after = (
        trail_words(each, resource.scale) for each in (done.before, done.after)
    )
    return f"{done.entry.tenant} · {what}: {before} → {after}"


def _what(done: Undone) -> str:
    entry = done.entry
    return (
        f"undoes {entry.id}, {entry.action} by {entry.actor}"
        f" at {second(entry.at)}: {entry.reason}"
    )
