"""`meterdeck fire`: send a test meter event, and say what Stripe did with it."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import NotFound
from meterdeck.core.model.events import EventOutcome, LoggedEvent, MeterEvent
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.usage import Resource, Tenant
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event_form import line_form
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note

_CODES = {
    EventOutcome.ACCEPTED: 0,
    EventOutcome.DUPLICATE: 0,
    EventOutcome.REFUSED: 1,
    EventOutcome.UNKNOWN: 3,
    EventOutcome.BUSY: 3,
    EventOutcome.STOPPED: 3,
}
_WORDS = {
    EventOutcome.ACCEPTED: ("accepted by Stripe", Tone.GOOD),
    EventOutcome.DUPLICATE: ("Stripe had it already", Tone.GOOD),
    EventOutcome.REFUSED: ("refused by Stripe", Tone.HIGH),
    EventOutcome.UNKNOWN: ("sent, and the answer was lost", Tone.NEAR),
    EventOutcome.BUSY: ("put off by Stripe", Tone.NEAR),
    EventOutcome.STOPPED: ("Stripe takes nothing from this key", Tone.HIGH),
}


def run(args: Namespace) -> int:
    """Send one test event for a tenant's resource."""
    return run_call(args, _fire)


async def _fire(call: Call) -> int:
    call.refuse_read_only()
    resource = call.context.resource(call.args.resource)
    quantity = parse_quantity(call.args.quantity, resource.scale)
    tenant = await _tenant(call)
    operation_id = operation_id_of(call.args)
    if call.args.dry_run:
        event = await call.engine.test_events.foresee(
            tenant,
            resource.name,
            quantity,
            count=call.args.count,
            operation_id=operation_id,
        )
        return _foresee(call, tenant, resource, event)
    logged = await call.engine.test_events.fire(
        tenant,
        resource.name,
        quantity,
        count=call.args.count,
        operation_id=operation_id,
    )
    return _tell(call, logged, operation_id)


async def _tenant(call: Call) -> Tenant:
    """Find the tenant, asking Stripe for customers that are new since the last look."""
    try:
        return await call.tenant()
    except NotFound:
        if call.engine.gateway is None:
            raise
        await call.engine.directory.refresh()
        return await call.tenant()


def _foresee(call: Call, tenant: Tenant, resource: Resource, event: MeterEvent) -> int:
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant.id,
                "resource": resource.name,
                "event_name": event.event_name,
                "customer": event.customer,
                "value": event.value,
                "dry_run": True,
            }
        )
    else:
        call.out.line(
            f"{event.event_name} {event.value} for {event.customer} ({tenant.id})"
        )
        note("dry run: nothing was sent")
    return 0


def _tell(call: Call, logged: LoggedEvent, operation_id: str) -> int:
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "event": line_form(logged),
                "counted": bool(call.args.count),
                "operation_id": operation_id,
                "dry_run": False,
            }
        )
        return _CODES[logged.outcome]
    words, tone = _WORDS[logged.outcome]
    why = f": {logged.message}" if logged.message else ""
    event = logged.event
    call.out.line(
        f"{event.event_name} {event.value} for {event.customer}: ",
        Cell(words + why, tone),
        Cell(f"  {logged.latency_ms} ms  {event.identifier}", Tone.FAINT),
    )
    return _CODES[logged.outcome]
