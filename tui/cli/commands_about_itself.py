"""The grammar of the commands about the program itself."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command

SHELLS = ("bash", "zsh", "fish")


def add_own_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add version, completion and man."""
    add_command(
        commands,
        common,
        "version",
        "show the versions of meterdeck, the Redis contract, Python and its libraries",
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
