"""`meterdeck adjust` and `reset`: change a counter, and leave a trail."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from meterdeck.core.errors import BadInput, BrokenCounter, Conflict, Refused
from meterdeck.core.model.changes import Adjusted, AdjustKind, Adjustment, Bill
from meterdeck.core.model.quantity import LARGEST, parse_quantity
from meterdeck.core.model.usage import Broken, Resource, Usage
from meterdeck.core.services.kinds import check_bill
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.foresight import foretell
from meterdeck.tui.cli.json_form import context_form, limit_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import amount, limit_words

_KINDS = {"+": AdjustKind.ADD, "-": AdjustKind.SUBTRACT, "=": AdjustKind.SET}
_BILLS = {
    Bill.QUOTA_ONLY: "the bill does not follow",
    Bill.QUOTA_AND_BILL: "the bill follows",
}


def run(args: Namespace) -> int:
    """Add to, take away from, or set a counter."""
    return run_call(args, _adjust, without_stripe=True)


def run_reset(args: Namespace) -> int:
    """Set a counter to 0."""
    args.change = ""
    return run_call(args, _adjust, without_stripe=True)


async def _adjust(call: Call) -> int:
    call.refuse_read_only()
    resource = call.context.resource(call.args.resource)
    kind, units = _parse_change(call.args.change.strip(), resource)
    tenant = await call.tenant(counted=True)
    seen = await call.usage_of(tenant, resource.name)
    wanted = Adjustment(
        tenant=tenant.id,
        resource=resource.name,
        kind=kind,
        amount=units,
        expected=_expected(call, resource),
        bill=Bill(call.args.bill.replace("-", "_")),
        reason=call.args.reason,
    )
    check_bill(wanted.bill, resource)
    before = _whole(call, seen)
    await foretell(call, wanted)
    if call.args.dry_run:
        return _tell(call, wanted, _foresee(wanted, before, seen), seen)
    asked = confirm(call, _change_words(seen, resource, before, wanted))
    if asked and wanted.expected is None and call.args.operation_id is None:
        # What the person decided on; a repeat must be the same change as before.
        wanted = replace(wanted, expected=before)
    operation_id = operation_id_of(call.args)
    done = await call.engine.changes.adjust(
        wanted, actor=current_actor(), operation_id=operation_id
    )
    return _tell(call, wanted, done, seen, operation_id=operation_id)


def _foresee(wanted: Adjustment, before: int, seen: Usage) -> Adjusted:
    """Say what would be done now, and refuse what would be refused.

    Raises:
        Conflict: The counter is not what is expected.
        Refused: It would fall below 0, or pass 2^53.
    """
    after = wanted.result(before)
    if wanted.expected is not None and wanted.expected != before:
        raise Conflict(f"{seen.resource} of {seen.tenant}", wanted.expected, before)
    if after < 0:
        raise Refused(
            f"{seen.resource} of {seen.tenant} is {before:,}; it cannot fall below 0"
        )
    if after > max(before, LARGEST):
        raise Refused(
            f"{seen.resource} of {seen.tenant} would pass 2^53,"
            " beyond which counting is not exact"
        )
    return Adjusted(before, after, seen.period.label, audit_id="", replayed=False)


def _parse_change(text: str, resource: Resource) -> tuple[AdjustKind, int]:
    if not text:
        return AdjustKind.RESET, 0
    kind = _KINDS.get(text[0])
    if kind is None:
        raise BadInput(
            f"{text!r} is not a change; write +{text} to add,"
            f" -{text} to take away, ={text} to set"
        )
    return kind, parse_quantity(text[1:], resource.scale)


def _expected(call: Call, resource: Resource) -> int | None:
    text = call.args.expect
    return None if text is None else parse_quantity(text, resource.scale, signed=True)


def _whole(call: Call, seen: Usage) -> int:
    if isinstance(seen.used, Broken):
        layout = call.context.redis.layout
        key = layout.counter(seen.tenant, seen.resource, seen.period.label)
        raise BrokenCounter(key.decode("utf-8", "replace"), seen.used.holds)
    return seen.used


def _change_words(
    seen: Usage, resource: Resource, before: int, wanted: Adjustment
) -> str:
    after = wanted.result(before)
    return (
        f"{seen.tenant} {resource.label} {seen.period.label}:"
        f" {amount(before, resource)} → {amount(after, resource)}"
        f" of {limit_words(seen.limit, resource)}; {_BILLS[wanted.bill]}"
    )


def _tell(
    call: Call,
    wanted: Adjustment,
    done: Adjusted,
    seen: Usage,
    *,
    operation_id: str | None = None,
) -> int:
    resource = call.context.resource(wanted.resource)
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": wanted.tenant,
                "resource": wanted.resource,
                "scale": resource.scale,
                "kind": wanted.kind.value,
                "period": done.period,
                "before": done.before,
                "after": done.after,
                **limit_form(seen.limit),
                "bill": wanted.bill.value,
                "audit_id": done.audit_id or None,
                "operation_id": operation_id,
                "replayed": done.replayed,
                "dry_run": bool(call.args.dry_run),
            }
        )
        return 0
    call.out.line(
        f"{wanted.tenant} · {resource.label} · {done.period}: ",
        Cell(f"{amount(done.before, resource)} → {amount(done.after, resource)}"),
        f" of {limit_words(seen.limit, resource)}",
        Cell(f"  {_BILLS[wanted.bill]}", Tone.FAINT),
    )
    if call.args.dry_run:
        note("dry run: nothing was changed")
    elif done.replayed:
        note("this operation was done before; nothing was changed again")
    return 0
