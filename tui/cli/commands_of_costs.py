"""The grammar of the command about what usage costs."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command


def add_cost(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add cost."""
    cost = add_command(
        commands, common, "cost", "show what a tenant's running period costs"
    )
    cost.add_argument("tenant", metavar="TENANT", help="tenant or Stripe customer id")
    cost.add_argument(
        "--plan", metavar="PLAN", default="", help="what if it had this plan's prices"
    )
    cost.add_argument(
        "--price",
        metavar="KEY_OR_ID",
        action="append",
        default=[],
        help="what if this price took the place of what bills the same;"
        " a lookup key or an id; may be given more than once",
    )
    cost.add_argument(
        "--usage",
        metavar="RESOURCE=N",
        action="append",
        default=[],
        help="what if so much were used by the period's end;"
        " may be given more than once",
    )
    cost.add_argument(
        "--so-far",
        action="store_true",
        help="what --usage gives is used up to now, not by the period's end",
    )
    cost.add_argument(
        "--preview",
        action="store_true",
        help="compare with the invoice that Stripe would write now",
    )
