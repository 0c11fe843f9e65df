"""`meterdeck demo`: the console on a sandbox of its own."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from meterdeck.core.errors import BadInput
from meterdeck.tui.cli.fleet_flags import add_fleet_flags

if TYPE_CHECKING:
    from meterdeck.tui.cli.command import Commands

_PURPOSE = "open the console on a sandbox of its own; nothing to set up"


def register(commands: Commands) -> None:
    """Add the command to the command line's grammar."""
    parser = commands.add_parser(
        "demo",
        help=_PURPOSE,
        description=_PURPOSE[0].upper()
        + _PURPOSE[1:]
        + ". Nothing leaves this machine.",
        allow_abbrev=False,
    )
    add_fleet_flags(parser)
    parser.set_defaults(handler=run, as_json=False)


def run(arguments: argparse.Namespace) -> int:
    """Start a sandbox, open the console on it, end both, return the console's code.

    Raises:
        BadInput: There is no terminal.
        Unreachable: The sandbox did not start.
    """
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise BadInput("the demo needs a terminal; for scripts: meterdeck sandbox")
    # Each costs a part of a second to import: only when the demo is really run.
    from meterdeck.core.sandbox.catalogue import sandbox_context  # noqa: PLC0415
    from meterdeck.tui.cli.sandbox_process import SandboxProcess  # noqa: PLC0415

    flags = [
        f"--tenants={arguments.tenants}",
        f"--rate={arguments.rate}",
        f"--seed={arguments.seed}",
        "--operators",
    ]
    with SandboxProcess(flags) as process:
        progress = _Progress(arguments.tenants)
        try:
            running = process.ready(progress.waiting)
        finally:
            progress.clear()
        context = sandbox_context(
            redis_url=running.redis_url,
            stripe_api_base=running.stripe_api_base,
            api_key=running.api_key,
        )
        from meterdeck.tui.app import run_console  # noqa: PLC0415  # see above

        return run_console(lambda: context, title="meterdeck · demo")


class _Progress:
    """One line that says how long it has taken; nothing where nobody looks."""

    def __init__(self, tenants: int) -> None:
        self._what = f"Starting a sandbox with {tenants:,} tenants"
        self._shown = sys.stderr.isatty()

    def waiting(self, seconds: float) -> None:
        """Show the seconds so far."""
        self._write(f"\r{self._what} … {seconds:.0f} s")

    def clear(self) -> None:
        """Leave an empty line for whatever comes next."""
        self._write("\r" + " " * (len(self._what) + 12) + "\r")

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()
