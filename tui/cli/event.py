"""`meterdeck event IDENTIFIER`: one meter event in full."""

from __future__ import annotations

import json
from argparse import Namespace

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.event_changes import STATE_WORDS, doing_words
from meterdeck.core.model.ledger import EventStory
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event_form import story_form
from meterdeck.tui.cli.event_words import ANSWER_TONES, STATE_TONES
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Row, Tone
from meterdeck.tui.cli.words import second
from meterdeck.tui.phrases import WINDOW_MEANS, latency, window_words


def run(args: Namespace) -> int:
    """Print what was sent, every answer, and what can still be done."""
    return run_call(args, _show)


async def _show(call: Call) -> int:
    story = await call.engine.ledger.open(identifier_of(call.args.identifier))
    if call.out.as_json:
        call.out.object({**context_form(call.context), **story_form(story)})
        return 0
    _head(call, story)
    call.out.line("windows")
    call.out.table(_windows(story), indent=2)
    call.out.line("requests" if story.attempts else "requests: the log tells of none")
    call.out.table([_attempt(each) for each in story.attempts], indent=2)
    call.out.line("sent as")
    for line in json.dumps(story.body, indent=2, ensure_ascii=False).split("\n"):
        call.out.line("  ", line)
    return 0


def identifier_of(text: str) -> str:
    """Return an identifier as it was copied from a line that had been cut."""
    return text.removesuffix("…")


def _head(call: Call, story: EventStory) -> None:
    event, line = story.event, story.event.line
    where = (line.tenant, line.resource, line.period)
    call.out.line(
        Cell(STATE_WORDS[event.state], STATE_TONES[event.state]),
        "  " + " · ".join(part for part in where if part),
        f"  {line.event.value}",
    )
    about = [event.identifier, line.source.value, second(event.at)]
    if story.confirmed_at is not None:
        about.append(f"summary agreed {second(story.confirmed_at)}")
    call.out.line(Cell(" · ".join(about), Tone.FAINT))
    if said := doing_words(event) or event.reason:
        call.out.line(Cell(said, STATE_TONES[event.state]))


def _windows(story: EventStory) -> list[Row]:
    return [
        (
            Cell(
                window_words(window, story.now),
                Tone.PLAIN if window.is_open(story.now) else Tone.FAINT,
                firm=True,
            ),
            Cell(second(window.closes_at), Tone.FAINT, firm=True),
            Cell(WINDOW_MEANS[window.kind], Tone.FAINT),
        )
        for window in story.windows
    ]


def _attempt(attempt: Attempt) -> Row:
    return (
        Cell(second(attempt.at), Tone.FAINT, firm=True),
        Cell(attempt.answer.value, ANSWER_TONES[attempt.answer], firm=True),
        Cell(str(attempt.status or ""), right=True),
        Cell(latency(attempt.latency_ms) if attempt.latency_ms else "", right=True),
        Cell(attempt.request_id, Tone.FAINT),
        Cell(attempt.idempotency_key, Tone.FAINT),
        Cell(": ".join(part for part in (attempt.code, attempt.message) if part)),
    )
