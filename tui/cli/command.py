"""One command of the command line, as argparse sees it."""

from __future__ import annotations

import argparse
from typing import TypeAlias

# A text, as argparse's class is generic for the type checker alone.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands,
    common: argparse.ArgumentParser,
    name: str,
    purpose: str,
    handler: str = "",
) -> argparse.ArgumentParser:
    """Add a command whose handler is `module:function` of this package."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="one JSON object",
    )
    parser.set_defaults(handler=f"meterdeck.tui.cli.{handler or name + ':run'}")
    return parser


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Add --filter, which finds tenants as the console does."""
    parser.add_argument(
        "--filter",
        metavar="EXPR",
        default="",
        help="only tenants that a filter takes: acme, plan:pro, 'api_calls>80%%' …",
    )
