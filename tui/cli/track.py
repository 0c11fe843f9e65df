"""`meterdeck track`: count use that is billed by an event of its own, and queue it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput, UnknownOutcome
from meterdeck.core.model.quantity import group_quantity, parse_quantity
from meterdeck.core.services.kinds import OneCall
from meterdeck.core.services.tracking import TrackedCall
from meterdeck.core.services.usage import Decision
from meterdeck.tui.cli.arguments import call_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.consume import foresee, tell, tenant_of
from meterdeck.tui.cli.when import parse_since


def run(args: Namespace) -> int:
    """Count and queue, or neither; ends with 1 where a limit refuses."""
    return run_call(args, _track, without_stripe=True)


async def _track(call: Call) -> int:
    call.refuse_read_only()
    args = call.args
    resource = call.context.resource(args.resource)
    units = parse_quantity(args.units, resource.scale)
    tenant = await tenant_of(call)
    wanted = TrackedCall(
        OneCall(tenant, resource.name, args.call_id),
        units,
        _dimensions(args.dimension or ()),
        _used_at(args.at),
    )
    wanted.checked(call.context)
    if args.dry_run:
        return await foresee(call, tenant, {resource.name: units})
    shown = f"{group_quantity(units, resource.scale)} {resource.unit}".strip()
    confirm(call, f"count {shown} of {resource.label} for {tenant}, and bill it")
    return tell(call, tenant, await _counted(call, wanted))


async def _counted(call: Call, wanted: TrackedCall) -> Decision:
    """Count and queue it.

    Raises:
        UnknownOutcome: It names the moment, which a repeat must give: `10m` would be
            another one then, and the call another call.
    """
    at = wanted.timestamp
    try:
        return await call.engine.usage.track(
            wanted.call.tenant,
            wanted.call.resource,
            wanted.units,
            dimensions=wanted.dimensions,
            timestamp=at,
            call_id=call_id_of(call.args),
        )
    except UnknownOutcome as lost:
        if at is None:
            raise
        moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        what = f"tracking the use with --at {moment}"
        raise UnknownOutcome(what, lost.operation_id) from lost


def _dimensions(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadInput(f"{text!r} is no dimension; write it like region=eu")
        if name in found:
            raise BadInput(f"dimension {name} is given twice")
        found[name] = value
    return found


def _used_at(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text, datetime.now(UTC))
    except BadInput as error:
        raise BadInput(f"--at {error}") from error
