"""`meterdeck cost TENANT`: what the running period costs, and what it would cost if."""

from __future__ import annotations

from argparse import Namespace
from decimal import Decimal

from meterdeck.core.errors import BadInput
from meterdeck.core.model.costs import Comparison
from meterdeck.core.model.quantity import exact_amount, parse_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.model.what_if import WhatIf
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.cost_form import cost_form, preview_form
from meterdeck.tui.cli.cost_table import print_comparison, print_cost, print_preview
from meterdeck.tui.cli.json_form import Form, context_form, tenant_form

_FINEST = 9  # decimals, of what no resource says how fine it is


def run(args: Namespace) -> int:
    """Print what a tenant's running period costs; changes nothing."""
    return run_call(args, _show)


async def _show(call: Call) -> int:
    wanted = _wanted(call)
    tenant = await call.tenant()
    costs = call.engine.costs
    found: Comparison | None = None
    cost = await costs.of(tenant)
    if not wanted.empty:
        found = await costs.imagine(cost, wanted)
    preview = await costs.preview(tenant) if call.args.preview else None
    if call.out.as_json:
        form: Form = {
            **context_form(call.context),
            "tenant": tenant_form(tenant),
            **cost_form(cost),
        }
        if found is not None:
            form["what_if"] = {**cost_form(found.after), "taken": list(found.notes)}
        if preview is not None:
            form["preview"] = preview_form(preview, cost)
        call.out.object(form)
        return 0
    if found is None:
        print_cost(call.out, cost)
    else:
        print_comparison(call.out, found)
    if preview is not None:
        print_preview(call.out, preview, cost)
    return 0


def _wanted(call: Call) -> WhatIf:
    args = call.args
    if args.so_far and not args.usage:
        raise BadInput("--so-far is about --usage; give it RESOURCE=N")
    usage = dict(_usage(call, each) for each in args.usage)
    return WhatIf(args.plan, tuple(args.price), usage, args.so_far)


def _usage(call: Call, text: str) -> tuple[str, Decimal]:
    name, equals, number = text.partition("=")
    if not (name and equals):
        raise BadInput(
            f"--usage {visible(text)}: write the resource and how much of it,"
            " such as api_calls=25000"
        )
    known = {each.name: each.scale for each in call.context.resources}
    scale = known.get(ResourceName(name), _FINEST)
    return name, exact_amount(parse_quantity(number, scale), scale)
