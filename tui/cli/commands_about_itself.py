"""The grammar of the commands about the program itself."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command

SHELLS = ("bash", "zsh", "fish")


def add_own_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add version, upgrade, completion and man."""
    add_command(
        commands,
        common,
        "version",
        "show the versions of meterdeck, the Redis contract, Python and its libraries",
    )
    upgrade = add_command(
        commands,
        common,
        "upgrade",
        "show what takes the database to this program's Redis contract, and do it",
    )
    upgrade.add_argument(
        "--shut-out-older",
        action="store_true",
        help="programs of older contracts only read from then on",
    )
    upgrade.add_argument(
        "--yes", action="store_true", help="do it; without it is only shown"
    )
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands, options and names",
        parents=[common],
        allow_abbrev=False,
    )
    completion.add_argument(
        "shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish"
    )
    completion.set_defaults(handler="meterdeck.tui.cli.completion:run", as_json=False)
    manual = commands.add_parser(
        "man",
        help="print the manual page, for man -l -",
        parents=[common],
        allow_abbrev=False,
    )
    manual.set_defaults(handler="meterdeck.tui.cli.man_page:run", as_json=False)
