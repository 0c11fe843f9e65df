"""`meterdeck events`: the delivery log, once or as it grows."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Sequence

from meterdeck.core.model.events import EventOutcome, LoggedEvent
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, event_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import second

_BATCH = 1000
_START = "0-0"
_TONES = {
    EventOutcome.ACCEPTED: Tone.GOOD,
    EventOutcome.DUPLICATE: Tone.FAINT,
    EventOutcome.REFUSED: Tone.HIGH,
    EventOutcome.UNKNOWN: Tone.NEAR,
    EventOutcome.BUSY: Tone.NEAR,
    EventOutcome.STOPPED: Tone.HIGH,
}


def run(args: Namespace) -> int:
    """Print the last events, and with --follow every new one."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    found = await call.engine.events.latest(count_of(call.args))
    found = tuple(sorted(found, key=_place))
    if not call.args.follow:
        _print_all(call, found)
        return 0
    last = _print_each(call, found, _START)
    while True:
        await asyncio.sleep(call.context.poll_s)
        last = _print_each(call, await call.engine.events.after(last, _BATCH), last)


def _place(logged: LoggedEvent) -> tuple[int, int]:
    milliseconds, _, number = logged.id.partition("-")
    return int(milliseconds), int(number or 0)


def _print_all(call: Call, found: Sequence[LoggedEvent]) -> None:
    if call.out.as_json:
        forms = [event_form(logged) for logged in found]
        call.out.object({**context_form(call.context), "events": forms})
    elif found:
        call.out.table([_row(logged) for logged in found])
    else:
        note("the delivery log is empty")


def _print_each(call: Call, found: Sequence[LoggedEvent], last: str) -> str:
    for logged in found:
        if call.out.as_json:
            call.out.object(event_form(logged))
        else:
            call.out.table([_row(logged)])
    call.out.flush()
    return found[-1].id if found else last


def _row(logged: LoggedEvent) -> tuple[Cell | str, ...]:
    return (
        Cell(second(logged.at), Tone.FAINT, firm=True),
        Cell(f"{logged.outcome:<9}", _TONES[logged.outcome]),
        Cell(f"{logged.source:<11}", Tone.FAINT),
        Cell(f"{logged.tenant:<16}"),
        Cell(f"{logged.resource:<12}"),
        Cell(f"{logged.event.value:>8}", right=True),
        Cell(logged.message or logged.event.identifier, Tone.FAINT),
    )
