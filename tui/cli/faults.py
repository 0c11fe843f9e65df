"""`meterdeck faults`: what a sandbox's Stripe does wrong on purpose."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from meterdeck.core.adapters.sandbox_control import SandboxControl, sandbox_control
from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context
from meterdeck.core.model.fault_knobs import Knob
from meterdeck.core.model.fault_presets import PRESETS, preset
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.text import visible
from meterdeck.tui.cli.arguments import output_of
from meterdeck.tui.cli.call import context_of
from meterdeck.tui.cli.json_form import context_form, moment
from meterdeck.tui.cli.output import Cell, Output, Row, Tone
from meterdeck.tui.cli.words import second

_Ask = Callable[[SandboxControl], Coroutine[Any, Any, FaultSight]]


def run(args: Namespace) -> int:
    """Show what is set, and what it has done."""
    return _run(args, lambda control: control.look(), changes=False)


def run_set(args: Namespace) -> int:
    """Change some settings."""
    changes = settings_of(args.settings)
    OFF.changed(changes)  # a wrong word is told without a sandbox, too
    return _run(args, lambda control: control.change(changes))


def run_clear(args: Namespace) -> int:
    """Turn everything off."""
    return _run(args, lambda control: control.clear())


def run_preset(args: Namespace) -> int:
    """Set a preset, or list them."""
    if args.preset is None:
        return _list(output_of(args))
    name = preset(args.preset).name
    return _run(args, lambda control: control.change({"preset": name}))


def run_settle(args: Namespace) -> int:
    """Show now what shows later."""
    context, out, control = opened(args, changes=True)
    settled = asyncio.run(control.settle())
    if out.as_json:
        out.object({**context_form(context), "settled": settled})
    elif settled:
        out.line(f"{settled:,} shown that would have shown later")
    else:
        out.line("nothing was waiting")
    return 0


def settings_of(words: Sequence[str]) -> Mapping[str, object]:
    """Read `429=30% latency=200ms`.

    Raises:
        BadInput: A word is none of this form.
    """
    settings: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            shown = visible(word, 40)
            raise BadInput(f"{shown!r} sets nothing; write it like 429=30%")
        settings[name] = value
    return settings


def _run(args: Namespace, ask: _Ask, *, changes: bool = True) -> int:
    context, out, control = opened(args, changes=changes)
    sight = asyncio.run(_asked(control, ask))
    if out.as_json:
        out.object({**context_form(context), **_form(sight)})
    else:
        _print(out, context, sight)
    return 0


def opened(args: Namespace, *, changes: bool) -> tuple[Context, Output, SandboxControl]:
    """Return the context, where the answer goes, and the sandbox's panel.

    Raises:
        Refused: The context is no sandbox's, or is to be changed and read-only.
    """
    context = context_of(args)
    control = sandbox_control(context)
    if changes:
        context.check_writable()
    return context, output_of(args), control


async def _asked(control: SandboxControl, ask: _Ask) -> FaultSight:
    return await ask(control)


def _form(sight: FaultSight) -> dict[str, object]:
    return {
        "faults": sight.faults.as_json(),
        "active": [each.name for each in sight.faults.active],
        "outage_left_seconds": sight.outage_left_s,
        "since": moment(sight.since),
        "requests": sight.requests,
        "injected": dict(sight.injected),
        "events": dict(sight.events),
        "now": moment(sight.now),
    }


def _print(out: Output, context: Context, sight: FaultSight) -> None:
    active = sight.faults.active
    if active:
        since = Cell(f"  since {second(sight.since)} UTC", Tone.FAINT)
        out.line(Cell(f"faults are on in {context.name}", Tone.NEAR), since)
        out.table(_rows(sight), indent=2)
    else:
        out.line(Cell(f"nothing goes wrong in {context.name}", Tone.GOOD))
    events = sight.events
    out.line(
        f"{sight.requests:,} requests, {sight.troubled:,} of them"
        f" troubled; meter events: {events['accepted']:,} accepted,"
        f" {events['refused']:,} refused, {events['dropped']:,} dropped later"
    )


def _rows(sight: FaultSight) -> list[Row]:
    faults = sight.faults
    return [
        (
            Cell(knob.word, firm=True),
            Cell(_value(sight, knob.name, knob.show(faults.value(knob))), right=True),
            Cell(_times(sight, knob), Tone.FAINT, right=True),
            Cell(knob.does, Tone.FAINT),
        )
        for knob in faults.active
    ]


def _times(sight: FaultSight, knob: Knob) -> str:
    return f"{sight.injected.get(knob.name, 0):,} times" if knob.counts else ""


def _value(sight: FaultSight, name: str, shown: str) -> str:
    if name == "outage_s" and sight.outage_left_s is not None:
        return f"{sight.outage_left_s:.0f} s left"
    return shown


def _list(out: Output) -> int:
    if out.as_json:
        form = {
            each.name: {"does": each.does, "faults": dict(each.settings)}
            for each in PRESETS
        }
        out.object({"presets": form})
        return 0
    rows: list[Row] = [(Cell(each.name, firm=True), each.does) for each in PRESETS]
    out.table(rows)
    return 0
