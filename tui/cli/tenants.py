"""`meterdeck tenants`: the fleet and its usage, ordered and filtered."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fleet_update import Health, Reach, WatchUpdate
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_order import SortKey
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.fleet_look import whole_fleet
from meterdeck.tui.cli.json_form import context_form, moment, tenant_form, usage_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import day, percent_cell, shorten, used_words

_LONGEST_NAME = 32


def run(args: Namespace) -> int:
    """List tenants from the directory kept in Redis, with their counters."""
    return run_call(args, _list)


async def _list(call: Call) -> int:
    key = _order(call)
    fleet = await _fleet(call)
    if call.args.filter:
        fleet.read_filter(call.args.filter)
    found = fleet.search(call.args.filter) if call.args.filter else None
    rows = fleet.order(key, rows=found)
    total = len(rows)
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


async def _fleet(call: Call) -> Fleet:
    """Read the fleet; ask Stripe who it is where nobody has yet, or where wanted."""
    if call.engine.gateway is None:
        if call.args.refresh:
            raise BadInput(f"--refresh: context {call.context.name} has no Stripe")
        return await whole_fleet(call.context)
    if not call.args.refresh:
        fleet = await whole_fleet(call.context)
        if any(fleet.tenant(row).customer for row in range(len(fleet))):
            return fleet
    change = await call.engine.directory.refresh()
    fleet = await whole_fleet(call.context)
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


def _order(call: Call) -> str:
    key: str = call.args.sort
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
