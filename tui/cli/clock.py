"""`meterdeck clock`: what time it is for a sandbox's Stripe."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from meterdeck.core.model.context import Context
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.fault_values import AHEAD
from meterdeck.tui import phrases
from meterdeck.tui.cli.faults import opened
from meterdeck.tui.cli.json_form import context_form, moment
from meterdeck.tui.cli.output import Cell, Output, Tone
from meterdeck.tui.cli.words import second

_SAME = timedelta(seconds=5)


def run(args: Namespace) -> int:
    """Show the clock."""
    context, out, control = opened(args, changes=False)
    return _tell(out, context, asyncio.run(control.look()))


def run_advance(args: Namespace) -> int:
    """Move the clock ahead; it never goes back."""
    seconds = AHEAD.read("SPAN", args.span)
    context, out, control = opened(args, changes=True)
    return _tell(out, context, asyncio.run(control.advance(seconds)))


def _tell(out: Output, context: Context, sight: FaultSight) -> int:
    # To the second: the answer has taken its time.
    seconds = round((sight.now - datetime.now(UTC)).total_seconds())
    ahead = timedelta(seconds=seconds)
    if out.as_json:
        form = {"now": moment(sight.now), "ahead_seconds": seconds}
        out.object({**context_form(context), **form})
        return 0
    far = f"{phrases.span(ahead)} ahead" if ahead > _SAME else "as this machine's"
    out.line(f"{second(sight.now)} UTC  ", Cell(far, Tone.FAINT))
    return 0
