"""The grammar of the command that writes a shift's handoff."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command


def add_handoff(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add handoff."""
    handoff = add_command(
        commands, common, "handoff", "write what the next shift needs to know"
    )
    handoff.add_argument(
        "--since",
        metavar="WHEN",
        default="8h",
        help="when the shift began: 8h, today, 2026-11-27T06:00Z (default: 8h)",
    )
    handoff.add_argument(
        "--output",
        metavar="FILE",
        default="-",
        help="a new file; none is overwritten (default: -, standard output)",
    )
