"""`meterdeck config show`: what the settings are, and what set each of them."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.settings.explain import explain
from meterdeck.tui.cli.arguments import config_of, flags_of, output_of
from meterdeck.tui.cli.output import Cell, Tone, note


def run(args: Namespace) -> int:
    """Print every setting with its source; secrets are neither fetched nor printed."""
    found = explain(
        config=config_of(args),
        context=getattr(args, "context", None),
        flags=flags_of(args),
    )
    out = output_of(args)
    if out.as_json:
        forms = [
            {"key": each.key, "value": each.value, "source": each.source}
            for each in found
        ]
        out.object({"settings": forms})
    elif not found:
        note("the sandbox brings its own settings; nothing else is configured")
    else:
        out.table(
            [(each.key, each.value, Cell(each.source, Tone.FAINT)) for each in found]
        )
    return 0
