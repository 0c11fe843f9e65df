"""The grammar of the commands about meters, products and prices."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command
from meterdeck.tui.cli.commands_of_catalogue_checks import add_catalogue_checks
from meterdeck.tui.cli.commands_of_catalogue_objects import add_catalogue_objects


def add_catalogue_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add catalogue, and what it does: apply, import, lint, meter, plan, price."""
    catalogue = add_command(
        commands, common, "catalogue", "show meters, products and prices of Stripe"
    )
    catalogue.add_argument(
        "--all", action="store_true", help="inactive and archived ones, too"
    )
    actions = catalogue.add_subparsers(metavar="ACTION", title="actions")
    _add_apply(actions, common)
    add_catalogue_checks(actions, common)
    _add_plan(actions, common)
    add_catalogue_objects(actions, common)


def _add_apply(actions: Commands, common: argparse.ArgumentParser) -> None:
    apply = add_command(
        actions,
        common,
        "apply",
        "make Stripe as the configuration declares it",
        "catalogue_apply:run",
    )
    apply.add_argument(
        "--yes", action="store_true", help="do not ask, even in a live context"
    )
    apply.add_argument(
        "--dry-run", action="store_true", help="show what would change, change nothing"
    )


def _add_plan(actions: Commands, common: argparse.ArgumentParser) -> None:
    add_command(
        actions,
        common,
        "plan",
        "show how Stripe differs from what the configuration declares",
        "catalogue_plan:run",
    )
