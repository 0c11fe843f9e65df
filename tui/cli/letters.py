"""`meterdeck letters`: meter events that need somebody, newest first."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from meterdeck.core.model.event_changes import doing_words
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.windows import Window
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event_form import event_form, windows_form
from meterdeck.tui.cli.event_words import closing_words, state_cell
from meterdeck.tui.cli.events import tenant_named
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Row, Tone, note
from meterdeck.tui.cli.words import second


def run(args: Namespace) -> int:
    """Print dead, refused, ambiguous and cancelled events."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    name, count = call.args.tenant, count_of(call.args)
    tenant = await tenant_named(call, name) if name else ""
    found = await call.engine.ledger.letters(tenant)
    now = datetime.now(UTC)
    if call.out.as_json:
        forms = [
            event_form(event) | {"windows": windows_form(windows, now)}
            for event, windows in found[:count]
        ]
        total = {"total": len(found), "letters": forms}
        call.out.object({**context_form(call.context), **total})
    elif found:
        call.out.table([_row(event, closes, now) for event, closes in found[:count]])
        if len(found) > count:
            note(f"{len(found) - count:,} older ones: -n {len(found)}")
    else:
        note("no meter event needs anybody")
    return 0


def _row(event: LedgerEvent, windows: tuple[Window, ...], now: datetime) -> Row:
    line, letter = event.line, event.letter
    return (
        Cell(second(event.at), Tone.FAINT, firm=True),
        state_cell(event),
        line.tenant,
        line.resource,
        Cell(line.event.value, right=True),
        Cell(closing_words(windows, now), Tone.FAINT),
        Cell(event.identifier, Tone.FAINT),
        doing_words(event) or (letter.reason if letter else ""),
    )
