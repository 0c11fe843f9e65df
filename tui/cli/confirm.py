"""What stands between a command and its effect."""

from __future__ import annotations

import signal
import sys

from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Mode
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.output import note


def confirm(call: Call, change: str) -> bool:
    """Return whether to go on; in a live context the name of it must be typed.

    Returns True when a person saw `change` and typed the name, False where nothing
    had to be asked.

    Raises:
        Refused: The person typed something else, or there is nobody to ask.
    """
    name = call.context.name
    if call.context.mode is not Mode.LIVE or call.args.yes:
        return False
    if not sys.stdin.isatty():
        raise Refused(f"context {name} is live and nobody can be asked; add --yes")
    note(f"live context {name}: {change}")
    if _asked(f"type {name} to do it: ") != name:
        raise Refused("that is not the context's name; nothing was changed")
    return True


def asks(call: Call) -> bool:
    """Return whether `agreed` would ask somebody."""
    return not call.args.yes and sys.stdin.isatty()


def agreed(call: Call, change: str) -> bool:
    """Return whether somebody agrees to a change that was shown, in any context.

    With --yes somebody has; without a terminal nobody does.

    Raises:
        Refused: The person typed something else than the context's name.
    """
    name = call.context.name
    if call.args.yes:
        return True
    if not sys.stdin.isatty():
        note(f"nothing was changed; --yes makes {change}")
        return False
    if _asked(f"type {name} to make {change}: ") != name:
        raise Refused("that is not the context's name; nothing was changed")
    return True


def _asked(question: str) -> str:
    """Return the line that is typed; nothing else happens meanwhile."""
    # asyncio's own handler would only note Ctrl-C, go on waiting for the line, and
    # cancel whatever is done after it: the change, half sent. Set before the question
    # is seen, since Ctrl-C may be the answer to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()
    finally:
        signal.signal(signal.SIGINT, before)
