"""`meterdeck usage TENANT`: one tenant's counters in their current periods."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import BadInput
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import Resource
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, standing_form, tenant_form
from meterdeck.tui.cli.output import Cell, Row, Tone
from meterdeck.tui.cli.words import amount, usage_row
from meterdeck.tui.enforcement import beyond_words, rule_words


def run(args: Namespace) -> int:
    """Print the tenant's usage; Stripe is asked only with --stripe.

    Raises:
        BadInput: --stripe without --history.
    """
    if args.stripe and not args.history:
        raise BadInput("--stripe is for older periods: write --history --stripe")
    return run_call(args, _show, without_stripe=not args.stripe)


async def _show(call: Call) -> int:
    tenant = await call.tenant(counted=True)
    if call.args.history:
        # More than the command's half a second is for.
        from meterdeck.tui.cli.usage_history import show_history  # noqa: PLC0415

        return await show_history(call, tenant)
    found = await call.engine.standings.of(tenant)
    paired = [(each, call.context.resource(each.usage.resource)) for each in found]
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant_form(tenant),
                "usage": [standing_form(each, resource) for each, resource in paired],
            }
        )
        return 0
    about = (tenant.id, tenant.plan or "no plan", tenant.status.value)
    call.out.line(tenant.name, Cell("  " + " · ".join(about), Tone.FAINT))
    rows = [_row(call, each, resource) for each, resource in paired]
    call.out.table(rows, indent=2)
    return 0


def _row(call: Call, standing: Standing, resource: Resource) -> Row:
    said = beyond_words(standing, resource.scale)
    if standing.over:
        said.insert(0, f"{amount(standing.over, resource)} over")
    if standing.usage.limit.units is not None and (rule := rule_words(standing.rule)):
        said.insert(0, rule)
    row = usage_row(standing.usage, resource, call.out)
    return (*row, Cell(" · ".join(said), Tone.NEAR if standing.over else Tone.FAINT))
