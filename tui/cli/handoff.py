"""`meterdeck handoff`: what the next shift needs to know, in Markdown."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.handoff import Handoff
from meterdeck.core.model.handoff_markdown import handoff_markdown
from meterdeck.core.services.handoff import gather, handoff_of
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.fleet_look import whole_fleet
from meterdeck.tui.cli.json_form import (
    Form,
    audit_form,
    context_form,
    ending_form,
    moment,
    override_form,
)
from meterdeck.tui.cli.output import note
from meterdeck.tui.cli.when import parse_since
from meterdeck.tui.taking.files import write_as

_STDOUT = "-"


def run(args: Namespace) -> int:
    """Gather, and write Markdown to standard output or a new file."""
    return run_call(args, _hand_over)


async def _hand_over(call: Call) -> int:
    now = await call.engine.now()
    since = parse_since(call.args.since, now)
    if since >= now:
        raise BadInput(f"--since {call.args.since} is not over yet; write 8h or today")
    path = None if call.args.output == _STDOUT else Path(call.args.output)
    if path is not None and path.exists():
        raise Refused(f"{path} is there already; nothing is overwritten")
    gathered = await gather(call.engine, since)
    fleet = await whole_fleet(call.context)
    handoff = handoff_of(gathered, fleet, call.context, current_actor())
    text = handoff_markdown(handoff)
    if path is not None:
        write_as(path, text)
    if call.out.as_json:
        call.out.object(_form(call, handoff, text, path))
    elif path is None:
        sys.stdout.write(text)
    else:
        note(f"written: {path.absolute()}")
    return 0


def _form(call: Call, handoff: Handoff, text: str, path: Path | None) -> Form:
    rows = handoff.last_pass.rows if handoff.last_pass else ()
    last = handoff.last_pass
    return {
        **context_form(call.context),
        "at": moment(handoff.at),
        "since": moment(handoff.since),
        "at_risk": [
            {
                "tenant": each.tenant.id,
                "resource": each.resource.name,
                "used": each.used,
                "limit": each.limit,
                "percent": each.percent,
                "full_in_s": None
                if each.full_in is None
                else round(each.full_in.total_seconds()),
            }
            for each in handoff.risks
        ],
        "more_at_risk": handoff.more_risks,
        "alerts": [
            {
                "since": moment(each.since),
                "severity": each.severity,
                "what": each.words,
                "state": each.state,
            }
            for each in handoff.alerts
        ],
        "compared_at": moment(last.at) if last else None,
        "differing": sum(not each.agreed for each in rows),
        "overrides": [
            {**override_form(each.found.override), **ending_form(each.ending)}
            for each in handoff.overrides
            if each.found.override is not None
        ],
        "letters": [event.identifier for event, _ in handoff.letters],
        "unsent": len(handoff.closing),
        "changes": [audit_form(each) for each in handoff.changes],
        "more_changes": handoff.more_changes,
        "not_read": {part.value: why for part, why in handoff.unread.items()},
        "file": str(path.absolute()) if path else None,
        "markdown": text,
    }
