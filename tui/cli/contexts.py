"""`meterdeck contexts`: the configured contexts, and which one is used."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.model.context import Mode
from meterdeck.core.settings.explain import ContextSummary, summaries
from meterdeck.tui.cli.arguments import config_of, output_of
from meterdeck.tui.cli.output import Cell, Tone


def run(args: Namespace) -> int:
    """List the contexts; no server is asked and no secret is fetched."""
    found = summaries(config=config_of(args), context=getattr(args, "context", None))
    out = output_of(args)
    if out.as_json:
        out.object({"contexts": [_form(summary) for summary in found]})
    else:
        out.table([_row(summary) for summary in found])
    return 0


def _form(summary: ContextSummary) -> dict[str, object]:
    return {
        "name": summary.name,
        "mode": summary.mode.value,
        "read_only": summary.read_only,
        "redis": summary.redis,
        "chosen": summary.chosen,
    }


def _row(summary: ContextSummary) -> tuple[Cell | str, ...]:
    return (
        "*" if summary.chosen else " ",
        summary.name,
        Cell(summary.mode, Tone.HIGH if summary.mode is Mode.LIVE else Tone.PLAIN),
        "read-only" if summary.read_only else "",
        Cell(summary.redis, Tone.FAINT),
    )
