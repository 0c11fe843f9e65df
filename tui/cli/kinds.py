"""`meterdeck gauge set` and `unique add`: what an application counts that is no sum."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.decisions import Decision, GaugeReading
from meterdeck.core.model.quantity import group_quantity, parse_quantity
from meterdeck.core.model.usage import Resource
from meterdeck.tui.cli.arguments import call_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.consume import tell, tenant_of
from meterdeck.tui.cli.json_form import context_form, limit_form, moment
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.when import parse_since
from meterdeck.tui.cli.words import limit_words


def run_gauge(args: Namespace) -> int:
    """Record a gauge's level; ends with 1 where a newer reading is there."""
    return run_call(args, _set_gauge, without_stripe=True)


def run_unique(args: Namespace) -> int:
    """Count members, all or none; ends with 1 where a limit refuses."""
    args.dry_run = False  # how many are new shows only when they are counted
    return run_call(args, _add_members, without_stripe=True)


async def _set_gauge(call: Call) -> int:
    call.refuse_read_only()
    resource = call.context.resource(call.args.resource)
    level = parse_quantity(call.args.level, resource.scale)
    at = _measured_at(call.args.at)
    tenant = await tenant_of(call)
    shown = f"{group_quantity(level, resource.scale)} {resource.unit}".strip()
    confirm(call, f"set {resource.label} of {tenant} to {shown}")
    reading = await call.engine.usage.set_gauge(
        tenant, resource.name, level, measured_at=at, call_id=call_id_of(call.args)
    )
    if call.out.as_json:
        call.out.object({**context_form(call.context), **_form(tenant, reading)})
    else:
        _print(call, tenant, resource, reading)
    return 1 if reading.stale else 0


def _measured_at(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text, datetime.now(UTC))
    except BadInput as error:
        raise BadInput(f"--at {error}") from error


def _form(tenant: str, reading: GaugeReading) -> dict[str, object]:
    return {
        "tenant": tenant,
        "resource": reading.resource,
        "before": reading.before,
        "current": reading.current,
        **limit_form(reading.limit),
        "remaining": reading.remaining,
        "over": reading.over,
        "stale": reading.stale,
        "measured_at": moment(reading.measured_at),
        "call_id": reading.call_id or None,
        "replayed": reading.replayed,
    }


def _print(call: Call, tenant: str, resource: Resource, reading: GaugeReading) -> None:
    before, current = (
        group_quantity(each, resource.scale)
        for each in (reading.before, reading.current)
    )
    call.out.line(
        f"{tenant} · {resource.label}: {before} → {current}",
        f"  of {limit_words(reading.limit, resource)}  ",
        Cell("over the limit" if reading.over else "", Tone.HIGH),
    )
    if reading.stale:
        note(f"not recorded: the newest reading is of {moment(reading.measured_at)}")


async def _add_members(call: Call) -> int:
    call.refuse_read_only()
    resource = call.context.resource(call.args.resource)
    tenant = await tenant_of(call)
    members: list[str] = call.args.members
    confirm(call, f"count {len(members)} of {resource.label} for {tenant}")
    decision: Decision = await call.engine.usage.count_unique(
        tenant, resource.name, members, call_id=call_id_of(call.args)
    )
    return tell(call, tenant, decision)
