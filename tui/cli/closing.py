"""`meterdeck closing`: what is not at Stripe yet of periods that end soon."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta

from meterdeck.core.errors import BadInput
from meterdeck.core.model.wording import counted
from meterdeck.core.services.close_guard import CloseGuard, Closing
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import Form, context_form, moment
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.words import amount
from meterdeck.tui.phrases import span

_LONGEST_H = 744
_SLOW = 20_000


def run(args: Namespace) -> int:
    """Print each counter with units that its period's invoice does not have yet."""
    return run_call(args, _look, without_stripe=True)


async def _look(call: Call) -> int:
    hours = call.args.hours
    if hours is not None and not 1 <= hours <= _LONGEST_H:
        raise BadInput(f"--hours {hours} is not possible; write 1 to {_LONGEST_H}")
    within = None if hours is None else timedelta(hours=hours)
    engine = call.engine
    now = await engine.now()
    tenants = await engine.directory.everybody()
    guard = CloseGuard(call.context, engine.records)
    progress = _progress(as_json=call.out.as_json)
    found = await guard.in_order(tenants, now, within=within, progress=progress)
    queued = await engine.health.queued()
    if call.out.as_json:
        forms = {"closing": [_form(each) for each in found], "queued": queued}
        call.out.object({**context_form(call.context), **forms})
        return 0
    for each in found:
        ends = (
            f"ended {span(now - each.ends)} ago"
            if each.ends <= now
            else f"ends in {span(each.ends - now)}"
        )
        call.out.table([_row(each, ends)])
    watched_h = hours or call.context.delivery.close_guard_h
    _note_rest(len(found), queued, watched_h)
    return 0


def _note_rest(found: int, queued: int, watched_h: int) -> None:
    """Say that there is nothing, or what no counter has: events of `track()`."""
    if not found:
        what = "no counter" if queued else "nothing"
        note(f"{what} is unsent of the periods that end within {watched_h} hours")
    if queued:
        waits = counted(queued, "event of track() waits", "events of track() wait")
        note(f"{waits} in the queue: meterdeck events --source queue")


def _progress(*, as_json: bool) -> Callable[[int], None]:
    if as_json or not sys.stderr.isatty():
        return lambda read: None
    return lambda read: note(f"{read:,} counters read …") if read % _SLOW == 0 else None


def _row(closing: Closing, ends: str) -> tuple[Cell | str, ...]:
    record, resource = closing.record, closing.resource
    parts = [
        (record.waiting, "waiting"),
        (closing.in_flight, "in flight"),
        (record.parked, "in letters"),
    ]
    words = ", ".join(f"{amount(units, resource)} {w}" for units, w in parts if units)
    tone = Tone.HIGH if record.parked else Tone.NEAR
    return (
        Cell(f"{closing.tenant.id:<16}"),
        Cell(f"{resource.name:<12}"),
        Cell(f"{closing.counter.period:<10}", Tone.FAINT),
        Cell(f"{ends:<20}", firm=True),
        Cell(words, tone),
    )


def _form(closing: Closing) -> Form:
    record = closing.record
    return {
        "tenant": closing.tenant.id,
        "customer": closing.tenant.customer or None,
        "resource": closing.resource.name,
        "period": closing.counter.period,
        "ends_at": moment(closing.ends),
        "finalises_at": moment(closing.finalises),
        "unsent": closing.unsent,
        "waiting": record.waiting,
        "in_flight": closing.in_flight,
        "parked": record.parked,
    }
