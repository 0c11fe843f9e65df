"""The grammar of `meterdeck alerts`."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command


def add_alerts(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add alerts and what can be done with them."""
    alerts = add_command(
        commands, common, "alerts", "list alerts, see to one, or try the webhook out"
    )
    alerts.set_defaults(everything=False, filter="")
    actions = alerts.add_subparsers(metavar="ACTION")
    listed = add_command(actions, common, "list", "list them", "alerts:run")
    listed.add_argument(
        "--all", dest="everything", action="store_true", help="also those that are over"
    )
    listed.add_argument(
        "--filter",
        default="",
        metavar="TEXT",
        help='words, or fields: state:open severity:critical tenant:acme rule:"near"',
    )
    ack = add_command(
        actions, common, "ack", "say that you have seen one", "alerts:run_ack"
    )
    _add_one(ack)
    snooze = add_command(
        actions, common, "snooze", "have one be quiet for a while", "alerts:run_snooze"
    )
    _add_one(snooze)
    snooze.add_argument("until", metavar="UNTIL", help="2h, 3d, friday, 2026-11-27")
    add_command(
        actions, common, "test", "post a test alert to the webhook", "alerts:run_test"
    )


def _add_one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("alert", metavar="ID", help="the alert's id, al_…")
    parser.add_argument("--note", default="", metavar="TEXT", help="kept with it")
