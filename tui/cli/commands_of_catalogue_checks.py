"""The grammar of `catalogue lint` and `catalogue import`."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command


def add_catalogue_checks(actions: Commands, common: argparse.ArgumentParser) -> None:
    """Add import and lint."""
    importing = add_command(
        actions,
        common,
        "import",
        "write the configuration of what Stripe has",
        "catalogue_import:run",
    )
    importing.add_argument(
        "--all",
        action="store_true",
        default=argparse.SUPPRESS,  # it may stand before the action
        help="inactive and archived ones, too",
    )
    importing.add_argument(
        "--write",
        metavar="FILE",
        nargs="?",
        const="",
        help="add it to FILE (default: the configuration)",
    )
    lint = add_command(
        actions,
        common,
        "lint",
        "warn of meters, prices and amounts that were probably not meant so",
        "catalogue_lint:run",
    )
    lint.add_argument(
        "--offline", action="store_true", help="the configuration alone, not Stripe"
    )
