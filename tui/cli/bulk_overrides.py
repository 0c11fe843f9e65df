"""`meterdeck override set|clear --filter`: many limits, previewed, then changed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import (
    BulkDone,
    BulkOrder,
    Candidate,
    Fate,
    Foreseen,
    Preview,
    parse_limit_change,
    preview,
    preview_removal,
)
from meterdeck.core.model.usage import Resource
from meterdeck.core.services.bulk_overrides import candidates
from meterdeck.core.services.fleet_order import SortKey
from meterdeck.tui import phrases
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.foresight import foretell
from meterdeck.tui.cli.json_form import context_form, moment
from meterdeck.tui.cli.output import Cell, Row, Tone, note
from meterdeck.tui.cli.tenant_filter import fleet_for
from meterdeck.tui.cli.when import show_moment
from meterdeck.tui.cli.words import amount, shorten

_SHOWN = 20
_REASONS = 5
_QUIET_S = 1.0
_LONGEST_NAME = 32
_FATES = {Fate.FREED: Tone.GOOD, Fate.CAUGHT: Tone.HIGH, Fate.SAME: Tone.FAINT}
_PLACES = (Fate.FREED, Fate.CAUGHT, Fate.SAME)


async def set_filtered(call: Call, expires_at: datetime | None) -> int:
    """Show what limits would change; with --yes, change them."""
    resource = _resource(call)
    change = parse_limit_change(call.args.limit, resource.scale)
    seen = preview(await _found(call, resource), change)
    return await _perform(call, _Told(resource, seen, expires_at))


async def clear_filtered(call: Call) -> int:
    """Show which overrides would be removed; with --yes, remove them."""
    resource = _resource(call)
    seen = preview_removal(await _found(call, resource))
    return await _perform(call, _Told(resource, seen, None), remove=True)


async def _perform(call: Call, told: _Told, *, remove: bool = False) -> int:
    order = BulkOrder(
        told.resource.name,
        tuple((each.tenant, each.after) for each in told.seen.changes),
        told.expires_at,
        call.args.reason,
        remove,
    )
    await foretell(call, order)
    if call.args.dry_run or not call.args.yes:
        _tell(call, told)
        return 0
    operation_id = operation_id_of(call.args)
    done = await call.engine.bulk.perform(
        order,
        actor=current_actor(),
        operation_id=operation_id,
        progress=_progress(call, len(order.limits)),
    )
    _tell(call, replace(told, operation_id=operation_id, done=done))
    return 1 if done.failed else 0


def _resource(call: Call) -> Resource:
    names = [resource.name for resource in call.context.resources]
    if call.args.resource not in names and call.args.tenant in names:
        raise BadInput(
            "write the filter first: override set --filter EXPR RESOURCE LIMIT"
        )
    return call.context.resource(call.args.resource)


async def _found(call: Call, resource: Resource) -> list[Candidate]:
    """Return the tenants that the filter finds, the nearest to a limit first."""
    fleet = await fleet_for(call.context, call.args.tenant)
    rows = fleet.order(SortKey.WORST, rows=fleet.search(call.args.tenant))
    return candidates(fleet, [fleet.tenant(row).id for row in rows], resource.name)


def _progress(call: Call, total: int) -> Callable[[int], None]:
    """Return what says how far it is: once a second, on a terminal."""
    shows = sys.stderr.isatty() and not call.out.as_json
    next_at = time.monotonic() + _QUIET_S

    def tell(tried: int) -> None:
        nonlocal next_at
        if shows and time.monotonic() >= next_at:
            next_at = time.monotonic() + _QUIET_S
            note(f"{tried:,} of {total:,} limits …")

    return tell


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of a change; without `done` it was only shown."""

    resource: Resource
    seen: Preview
    expires_at: datetime | None
    operation_id: str | None = None
    done: BulkDone | None = None


def _tell(call: Call, told: _Told) -> None:
    if call.out.as_json:
        call.out.object({**context_form(call.context), **_form(told)})
        return
    seen, resource = told.seen, told.resource
    changes = sorted(seen.changes, key=lambda each: _PLACES.index(each.fate))
    call.out.table([_row(each, resource) for each in changes[:_SHOWN]])
    if len(changes) > _SHOWN:
        note(f"and {len(changes) - _SHOWN:,} more")
    until = f" until {show_moment(told.expires_at)}" if told.expires_at else ""
    call.out.line(f"{_summary(seen, resource)}{until}")
    for why, count in Counter(each.why for each in seen.left_out).items():
        note(f"left out: {phrases.counted(count, 'tenant')}, {why}")
    if told.done is None:
        note("nothing was changed; --yes changes it")
        return
    call.out.line(f"{phrases.counted(len(told.done.done), 'limit')} changed")
    failed = told.done.failed
    for tenant, why in failed[:_REASONS]:
        note(f"not changed: {tenant}: {why}")
    if len(failed) > _REASONS:
        note(f"not changed: {len(failed) - _REASONS:,} more")


def _row(each: Foreseen, resource: Resource) -> Row:
    return (
        each.tenant,
        shorten(each.name, _LONGEST_NAME),
        Cell(amount(each.before, resource), right=True),
        Cell("→", Tone.FAINT),
        Cell(amount(each.after, resource), right=True),
        Cell(each.fate.value, _FATES[each.fate]),
    )


def _summary(seen: Preview, resource: Resource) -> str:
    freed, caught = len(seen.meeting(Fate.FREED)), len(seen.meeting(Fate.CAUGHT))
    said = (
        f"{phrases.counted(len(seen.changes), 'limit')} of {resource.label}:"
        f" {seen.raised:,} raised, {seen.lowered:,} lowered"
    )
    if freed:
        said += f"; {phrases.counted(freed, 'tenant')} refused now will be allowed"
    if caught:
        said += f"; {phrases.counted(caught, 'tenant')} allowed now will be refused"
    return said


def _form(told: _Told) -> dict[str, object]:
    seen, done = told.seen, told.done or BulkDone((), ())
    return {
        "resource": told.resource.name,
        "scale": told.resource.scale,
        "expires_at": moment(told.expires_at),
        "changes": [
            {
                "tenant": each.tenant,
                "before": each.before,
                "after": each.after,
                "fate": each.fate.name.lower(),
            }
            for each in seen.changes
        ],
        "left_out": [{"tenant": one.tenant, "why": one.why} for one in seen.left_out],
        "dry_run": told.done is None,
        "operation_id": told.operation_id,
        "changed": len(done.done),
        "failed": [{"tenant": tenant, "why": why} for tenant, why in done.failed],
    }
