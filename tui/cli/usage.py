"""`meterdeck usage TENANT`: one tenant's counters in their current periods."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, tenant_form, usage_form
from meterdeck.tui.cli.output import Cell, Tone
from meterdeck.tui.cli.words import usage_row


def run(args: Namespace) -> int:
    """Print the tenant's usage; Stripe is not asked."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    tenant = await call.tenant(counted=True)
    found = await call.engine.usage.usage(tenant)
    paired = [(usage, call.context.resource(usage.resource)) for usage in found]
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant_form(tenant),
                "usage": [usage_form(usage, resource) for usage, resource in paired],
            }
        )
        return 0
    about = (tenant.id, tenant.plan or "no plan", tenant.status.value)
    call.out.line(tenant.name, Cell("  " + " · ".join(about), Tone.FAINT))
    rows = [usage_row(usage, resource, call.out) for usage, resource in paired]
    call.out.table(rows, indent=2)
    return 0
