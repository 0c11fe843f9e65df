"""`meterdeck why TENANT`: the latest refusals, and what each was decided on."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import NotFound
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.quantity import group_quantity
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, moment, period_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import REFUSAL_WORDS, second


def run(args: Namespace) -> int:
    """Print the tenant's latest refusals, newest first; Stripe is not asked."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    tenant = await call.tenant(counted=True)
    found = await call.engine.usage.refusals(tenant.id, limit=count_of(call.args))
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant.id,
                "refusals": [_form(call.context, each) for each in found],
            }
        )
    elif found:
        call.out.table([_row(call.context, each) for each in found])
    else:
        note(f"no refusal of {tenant.id} is known")
    return 0


def _form(context: Context, each: RefusalRecord) -> dict[str, object]:
    return {
        "at": moment(each.at),
        "resource": each.resource,
        "scale": _scale(context, each),
        "reason": each.reason.value,
        "before": each.before,
        "cost": each.cost,
        "limit": each.limit,
        "limit_source": each.source.value,
        "period": period_form(each.period),
        "call_id": each.call_id or None,
    }


def _row(context: Context, each: RefusalRecord) -> tuple[Cell | str, ...]:
    scale = _scale(context, each)
    before, cost, limit = (
        group_quantity(units, scale) for units in (each.before, each.cost, each.limit)
    )
    return (
        Cell(second(each.at), Tone.FAINT, firm=True),
        each.resource,
        Cell(REFUSAL_WORDS[each.reason], Tone.HIGH),
        f"{before} used + {cost} > {limit} ({each.source.value})",
        Cell(each.period.label, Tone.FAINT),
        Cell(each.call_id, Tone.FAINT),
    )


def _scale(context: Context, each: RefusalRecord) -> int:
    try:
        return context.resource(each.resource).scale
    except NotFound:  # it is not configured any more
        return 0
