"""No command: the console."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial

from meterdeck.core.errors import BadInput
from meterdeck.core.settings import check_start, load_context
from meterdeck.tui.cli.arguments import config_of, flags_of
from meterdeck.tui.cli.exposure import tell_exposed


def run(args: Namespace) -> int:
    """Open the console; what is cheap to check is checked before Textual is loaded."""
    return _open(args)


def run_pulse(args: Namespace) -> int:
    """Open the console on the whole fleet, for a display on a wall."""
    return _open(args, opens="pulse")


def _open(args: Namespace, opens: str = "") -> int:
    config, context = config_of(args), getattr(args, "context", None)
    chosen = check_start(config=config, context=context)
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise BadInput(
            "the console needs a terminal; commands for scripts: meterdeck --help"
        )
    tell_exposed(chosen.path)
    # Half a second that a wrong configuration should not cost.
    from meterdeck.tui.app import run_console  # noqa: PLC0415

    load = partial(load_context, config=config, context=context, flags=flags_of(args))
    title = f"meterdeck · {chosen.context}"
    return run_console(load, title=title, tree=chosen.tree, opens=opens)
