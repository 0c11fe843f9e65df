"""`meterdeck consume`: count usage as the application does, where limits allow it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from meterdeck.core.errors import BadInput
from meterdeck.core.model.quantity import group_quantity, parse_quantity
from meterdeck.core.model.usage import ResourceKind
from meterdeck.core.services.kinds import check_kind
from meterdeck.core.services.usage import Decision, ResourceDecision
from meterdeck.tui.cli.arguments import call_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import context_form, limit_form, period_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import BEYOND_WORDS, REFUSAL_WORDS, limit_words


def run(args: Namespace) -> int:
    """Count all of the amounts, or none; ends with 1 where a limit refuses."""
    return run_call(args, _consume, without_stripe=True)


async def _consume(call: Call) -> int:
    call.refuse_read_only()
    amounts = _amounts(call, call.args.amounts)
    tenant = await tenant_of(call)
    if call.args.dry_run:
        return await foresee(call, tenant, amounts)
    confirm(call, f"count {', '.join(call.args.amounts)} for {tenant}")
    decision = await call.engine.usage.consume(
        tenant, amounts, call_id=call_id_of(call.args)
    )
    return tell(call, tenant, decision)


async def tenant_of(call: Call) -> str:
    """Return the tenant's id: looked up for a customer's, else taken as it is."""
    name: str = call.args.tenant
    if not name.startswith("cus_"):
        return name  # as applications do: one round trip, and nobody has to be known
    return await call.tenant_id() or name


def _amounts(call: Call, texts: Sequence[str]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for text in texts:
        name, equals, quantity = text.partition("=")
        if not equals:
            raise BadInput(f"{text!r} is not an amount; write it like api_calls=5")
        resource = call.context.resource(name)
        if resource.name in amounts:
            raise BadInput(f"{name} is given twice; write their sum")
        check_kind(resource, ResourceKind.COUNTER, ResourceKind.GAUGE)
        units = parse_quantity(quantity, resource.scale)
        if not units:
            raise BadInput(f"{text!r} counts nothing; write a quantity above 0")
        amounts[resource.name] = units
    return amounts


async def foresee(call: Call, tenant: str, amounts: dict[str, int]) -> int:
    """Say what a call would be told now; it may be told otherwise a moment later."""
    foreseen = await call.engine.standings.foresee(
        tenant, amounts, call_id=call.args.call_id
    )
    return tell(call, tenant, foreseen)


def tell(call: Call, tenant: str, decision: Decision) -> int:
    """Print what was decided; return 1 where it was refused."""
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant,
                "allowed": decision.allowed,
                "resources": [_form(each) for each in decision.resources],
                "call_id": decision.call_id or None,
                "replayed": decision.replayed,
                "dry_run": bool(call.args.dry_run),
            }
        )
    else:
        words = ("allowed", Tone.GOOD) if decision.allowed else ("refused", Tone.HIGH)
        call.out.line(Cell(*words), f"  {tenant}")
        rows = [_row(call, each) for each in decision.resources]
        call.out.table(rows, indent=2)
        if call.args.dry_run:
            note("dry run: nothing was counted")
    return 0 if decision.allowed else 1


def _form(each: ResourceDecision) -> dict[str, object]:
    return {
        "resource": each.resource,
        "period": period_form(each.period),
        "current": each.current,
        **limit_form(each.limit),
        "remaining": each.remaining,
        "refused": each.refused,
        "reason": each.reason.value if each.reason else None,
        "beyond": each.beyond.value if each.beyond else None,
    }


def _row(call: Call, each: ResourceDecision) -> tuple[Cell | str, ...]:
    resource = call.context.resource(each.resource)
    return (
        resource.label,
        Cell(group_quantity(each.current, resource.scale), right=True),
        f"of {limit_words(each.limit, resource)}",
        Cell(_verdict(each), Tone.HIGH),
    )


def _verdict(each: ResourceDecision) -> str:
    if each.reason:
        return REFUSAL_WORDS[each.reason]
    return BEYOND_WORDS[each.beyond] if each.beyond else ""
