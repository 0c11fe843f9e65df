"""`meterdeck tenants`: the fleet and its usage, ordered and filtered."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fleet_update import Health, Reach, WatchUpdate
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_order import SortKey
from meterdeck.core.settings import state_dir
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, moment, tenant_form, usage_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.seen_tenants import MOST, remember_tenants
from meterdeck.tui.cli.tenant_filter import fleet_for, view_named
from meterdeck.tui.cli.words import day, percent_cell, shorten, used_words

_LONGEST_NAME = 32


def run(args: Namespace) -> int:
    """List tenants from the directory kept in Redis, with their counters."""
    return run_call(args, _list)


async def _list(call: Call) -> int:
    text, key, reverse = _wanted(call)
    fleet = await _fleet(call, text)
    found = fleet.search(text) if text else None
    rows = fleet.order(key, reverse=reverse, rows=found)
    total = len(rows)
    shown = (fleet.tenant(row).id for row in rows[:MOST])
    remember_tenants(state_dir(), call.context.name, shown)
    if call.args.n is not None:
        rows = rows[: count_of(call.args)]
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "at": moment(fleet.at),
                "total": total,
                "tenants": [_form(fleet, row) for row in rows],
            }
        )
        return 0
    if rows:
        call.out.table([_HEAD, *(_row(call, fleet, row) for row in rows)])
    note(f"{total:,} of {len(fleet):,} tenants" + _cut(len(rows), total))
    return 0


async def _fleet(call: Call, text: str) -> Fleet:
    """Read the fleet; ask Stripe who it is where nobody has yet, or where wanted."""
    if call.engine.gateway is None:
        if call.args.refresh:
            raise BadInput(f"--refresh: context {call.context.name} has no Stripe")
        return await fleet_for(call.context, text)
    if not call.args.refresh:
        fleet = await fleet_for(call.context, text)
        if any(fleet.tenant(row).customer for row in range(len(fleet))):
            return fleet
    change = await call.engine.directory.refresh()
    fleet = await fleet_for(call.context, text)
    # A read-only context does not write them into Redis, where the watch would look.
    fleet.apply(
        WatchUpdate(
            at=fleet.at or datetime.now(UTC),
            redis=Health(Reach.OK),
            stripe=Health(Reach.OK),
            tenants=change.tenants,
        )
    )
    return fleet


def _wanted(call: Call) -> tuple[str, str, bool]:
    """Return the filter, the order, and whether that is turned round."""
    args = call.args
    if not args.view:
        return args.filter, _order(call, args.sort or SortKey.WORST), False
    view = view_named(args.view)
    both = [text for text in (view.filter, args.filter) if text.strip()]
    text = " ".join(f"({each})" for each in both)
    if args.sort:
        return text, _order(call, args.sort), False
    return text, _order(call, view.order), view.reverse


def _order(call: Call, key: str) -> str:
    names = [resource.name for resource in call.context.resources]
    if key not in (*SortKey, *names):
        valid = ", ".join((*SortKey, *names))
        raise BadInput(f"--sort {key}: no such order; valid are: {valid}")
    return key


def _form(fleet: Fleet, row: int) -> dict[str, object]:
    usage = [
        usage_form(fleet.usage(row, column), resource)
        for column, resource in enumerate(fleet.resources)
    ]
    return {**tenant_form(fleet.tenant(row)), "usage": usage}


_HEAD = tuple(
    Cell(text, Tone.FAINT)
    for text in (
        "TENANT",
        "NAME",
        "PLAN",
        "STATUS",
        "NEAREST LIMIT",
        "USED",
        "",
        "",
        "RESETS",
    )
)


def _row(call: Call, fleet: Fleet, row: int) -> tuple[Cell | str, ...]:
    tenant = fleet.tenant(row)
    name = shorten(tenant.name, _LONGEST_NAME)
    about = (tenant.id, name, tenant.plan, tenant.status.value)
    column = fleet.worst_column(row)
    if column < 0:
        return about
    resource, usage = fleet.resources[column], fleet.usage(row, column)
    period = usage.period
    return (
        *about,
        resource.label,
        Cell(used_words(usage.used, resource), right=True),
        call.out.bar(usage.percent),
        percent_cell(usage.percent),
        Cell("never" if period.endless else day(period.end), Tone.FAINT),
    )


def _cut(shown: int, total: int) -> str:
    return f", the first {shown:,} shown" if shown < total else ""
