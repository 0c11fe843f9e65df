"""`meterdeck events`: meter events and what became of them, once or as it happens."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence

from meterdeck.core.errors import NotFound
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import doing_words
from meterdeck.core.model.events import EventSource
from meterdeck.core.model.ledger import EventFilter, LedgerEvent
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event_form import event_form
from meterdeck.tui.cli.event_words import state_cell
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.tenant_filter import filtered_tenants
from meterdeck.tui.cli.words import second

_BATCH = 1000
_START = "0-0"


def run(args: Namespace) -> int:
    """Print the last events, and with --follow whatever becomes of any."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    wanted, count = await _filter(call), count_of(call.args)
    if wanted is None:
        _print_all(call, ())
        return 0
    if not call.args.follow:
        _print_all(call, await call.engine.ledger.latest(wanted, count))
        return 0
    newest = await call.engine.events.latest(1)
    last = newest[0].id if newest else _START
    found = await call.engine.ledger.latest(wanted, count)
    _print_each(call, found)
    # Lines that came between the two looks are told once.
    told = {event.line.id for event in found}
    while call.out.lost is None:  # somebody reads
        changed, last = await call.engine.ledger.after(last, wanted, _BATCH)
        _print_each(call, [event for event in changed if event.line.id not in told])
        await asyncio.sleep(call.context.poll_s)
    return 0


async def _filter(call: Call) -> EventFilter | None:
    """Return which events are asked for; None where no tenant's can be."""
    args, meant = call.args, await filtered_tenants(call)
    if meant is not None and not meant:
        return None
    return EventFilter(
        states=frozenset(EventState(state.replace("-", "_")) for state in args.state),
        tenants=meant
        or frozenset([await tenant_named(call, name) for name in args.tenant]),
        resources=frozenset(args.resource),
        sources=frozenset(EventSource(source) for source in args.source),
        text=args.grep,
    )


async def tenant_named(call: Call, name: str) -> str:
    """Return a tenant's id by it or by its customer's; what nobody knows is an id."""
    try:
        return (await call.engine.directory.get(name)).id
    except NotFound:
        return name


def _print_all(call: Call, found: Sequence[LedgerEvent]) -> None:
    if call.out.as_json:
        forms = [event_form(event) for event in found]
        call.out.object({**context_form(call.context), "events": forms})
    elif found:
        call.out.table([_row(event) for event in found])
    else:
        note("there is no meter event, or none that was asked for")


def _print_each(call: Call, found: Sequence[LedgerEvent]) -> None:
    for event in found:
        if call.out.as_json:
            call.out.object(event_form(event))
        else:
            call.out.table([_row(event)])
    call.out.flush()


def _row(event: LedgerEvent) -> tuple[Cell | str, ...]:
    logged = event.line
    return (
        Cell(second(event.at), Tone.FAINT, firm=True),
        state_cell(event),
        Cell(f"{logged.source:<11}", Tone.FAINT),
        Cell(f"{logged.tenant:<16}"),
        Cell(f"{logged.resource:<12}"),
        Cell(f"{logged.event.value:>8}", right=True),
        Cell(event.identifier, Tone.FAINT),
        Cell(doing_words(event) or event.reason, Tone.FAINT),
    )
