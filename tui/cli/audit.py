"""`meterdeck audit`: who changed what, when and why, newest first."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.model.changes import AuditEntry
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import audit_form, context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import second


def run(args: Namespace) -> int:
    """Print the audit trail of one tenant, or of all."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    wanted = None
    if call.args.tenant is not None:
        wanted = (await call.tenant(counted=True)).id
    found = await call.engine.changes.audit(wanted, limit=count_of(call.args))
    if call.out.as_json:
        forms = [audit_form(entry) for entry in found]
        call.out.object({**context_form(call.context), "entries": forms})
    elif found:
        call.out.table([_row(entry) for entry in found])
    else:
        note("the audit trail is empty")
    return 0


def _row(entry: AuditEntry) -> tuple[Cell | str, ...]:
    return (
        Cell(second(entry.at), Tone.FAINT),
        entry.actor,
        Cell(entry.origin, Tone.FAINT),
        entry.action,
        entry.tenant,
        entry.resource,
        f"{entry.before} → {entry.after}",
        Cell(entry.bill, Tone.FAINT),
        Cell(entry.reason, Tone.FAINT),
    )
