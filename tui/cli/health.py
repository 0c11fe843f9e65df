"""`meterdeck health`: Redis, Stripe and delivery now, with a verdict each."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.health import FleetHealth, Waiting
from meterdeck.core.model.health_items import SIGNS, Item, expected_of, worst_of
from meterdeck.core.model.health_verdicts import items
from meterdeck.tui import fault_words
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import Form, context_form, moment
from meterdeck.tui.cli.output import Cell, Tone

_TONES = {
    Severity.OK: Tone.GOOD,
    Severity.WARNING: Tone.NEAR,
    Severity.FAULT: Tone.HIGH,
    Severity.UNKNOWN: Tone.FAINT,
}
_TITLE = 14
_WRONG, _AWAY = 1, 3


def run(args: Namespace) -> int:
    """Print every item; end with 0 where none is bad."""
    return run_call(args, _look)


async def _look(call: Call) -> int:
    health = await call.engine.health.look()
    health = await _with_faults(call, health)
    found = items(health, expected_of(call.context))
    worst = worst_of(found)
    wrong = worst is Severity.FAULT or (call.args.strict and worst is not Severity.OK)
    if call.out.as_json:
        call.out.object(form(call.context, health, found, sound=not wrong))
    else:
        _tell(call, found)
    if health.redis.problem:
        return _AWAY
    return _WRONG if wrong else 0


async def _with_faults(call: Call, health: FleetHealth) -> FleetHealth:
    if call.context.mode is not Mode.SANDBOX or health.stripe is None:
        return health
    try:
        sight = await call.engine.faults().look()
    except MeterdeckError:
        return health  # this Stripe has no panel
    faults = tuple(fault_words.in_short(sight))
    return replace(health, stripe=replace(health.stripe, faults=faults))


def _tell(call: Call, found: tuple[Item, ...]) -> None:
    section = None
    for item in found:
        if item.section is not section:
            call.out.line(Cell(item.section.value, Tone.BOLD))
            section = item.section
        verdict = item.verdict
        sign, _ = SIGNS[verdict.severity]
        tone = Tone.PLAIN if verdict.severity is Severity.OK else Tone.BOLD
        call.out.line(
            Cell(sign, _TONES[verdict.severity]),
            f" {item.title:<{_TITLE}} ",
            Cell(verdict.found, tone),
        )
        if verdict.mend:
            margin = " " * (_TITLE + 3)
            for line in call.out.wrapped(f"→ {verdict.mend}", indent=len(margin)):
                call.out.line(margin, Cell(line, Tone.FAINT))


def form(
    context: Context, health: FleetHealth, found: tuple[Item, ...], *, sound: bool
) -> Form:
    """Return the JSON form: the items' verdicts, and the facts they were made of."""
    return {
        **context_form(context),
        "at": moment(health.at),
        "sound": sound,
        "items": [
            {
                "section": item.section.value,
                "item": item.id,
                "title": item.title,
                "result": item.verdict.severity.value,
                "found": item.verdict.found,
                "why": item.why,
                "mend": item.verdict.mend or None,
            }
            for item in found
        ],
        "facts": _plain(asdict(replace(health, waiting=_without_rows(health)))),
    }


def _without_rows(health: FleetHealth) -> Waiting | None:
    """Leave out the counters that differ: `meterdeck reconcile` names them."""
    waiting = health.waiting
    if waiting is None or waiting.last_pass is None:
        return waiting
    last = replace(waiting.last_pass, rows=(), more=waiting.last_pass.differing)
    return replace(waiting, last_pass=last)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return str(value)
    return moment(value) if isinstance(value, datetime) else value
