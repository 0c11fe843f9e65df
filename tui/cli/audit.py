"""`meterdeck audit`: who changed what, when and why, newest first."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import BadInput
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import audit_form, context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import second


def run(args: Namespace) -> int:
    """Print the audit trail of one tenant, or of all."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    wanted = await call.tenant_id()
    if call.args.verify:
        return await _verify(call, wanted)
    found = await call.engine.changes.audit(wanted, limit=count_of(call.args))
    if call.out.as_json:
        forms = [audit_form(entry) for entry in found]
        call.out.object({**context_form(call.context), "entries": forms})
    elif found:
        call.out.table([_row(entry) for entry in found])
    else:
        note("the audit trail is empty")
    return 0


async def _verify(call: Call, tenant: TenantId | None) -> int:
    if tenant is None:
        raise BadInput("--verify checks one trail; write: meterdeck audit TENANT")
    broken = await call.engine.changes.verify_audit(tenant)
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant,
                "sound": broken is None,
                "entry_id": broken.entry_id if broken else None,
                "problem": broken.problem if broken else None,
            }
        )
    elif broken is None:
        call.out.line(f"{tenant}: ", Cell("the trail is as it was written", Tone.GOOD))
    else:
        where = f"{tenant}: entry {broken.entry_id}: "
        call.out.line(where, Cell(broken.problem, Tone.HIGH))
    return 0 if broken is None else 1


def _row(entry: AuditEntry) -> tuple[Cell | str, ...]:
    return (
        Cell(second(entry.at), Tone.FAINT, firm=True),
        entry.actor,
        Cell(entry.origin, Tone.FAINT),
        entry.action,
        entry.tenant,
        entry.resource,
        f"{entry.before} → {entry.after}",
        Cell(entry.bill, Tone.FAINT),
        Cell(entry.reason, Tone.FAINT),
    )
