"""The grammar of the commands about meter events."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command, add_filter
from meterdeck.tui.cli.commands_that_write import add_operation_id, add_write_options

STATES = (
    "queued",
    "in-flight",
    "accepted",
    "confirmed",
    "refused",
    "dead",
    "cancelled",
    "ambiguous",
)
_SOURCES = ("worker", "queue", "test", "application")
_IDENTIFIER = "the event's identifier, or its beginning"


def add_event_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add events, event and letters."""
    events = add_command(commands, common, "events", "show meter events and their life")
    events.add_argument("-n", metavar="N", type=int, default=20, help="(default: 20)")
    events.add_argument(
        "--follow", "-f", action="store_true", help="wait for what becomes of them"
    )
    for name, choices, purpose in (
        ("state", STATES, "only events that are " + ", ".join(STATES)),
        ("source", _SOURCES, "only of " + ", ".join(_SOURCES)),
        ("tenant", None, "only of this tenant, or Stripe customer id"),
        ("resource", None, "only of this resource"),
    ):
        events.add_argument(
            f"--{name}",
            metavar=name.upper(),
            action="append",
            default=[],
            choices=choices,
            help=f"{purpose}; may be given more than once",
        )
    events.add_argument(
        "--grep", metavar="TEXT", default="", help="only with this text, in any case"
    )

    add_filter(events)

    event = add_command(commands, common, "event", "show one meter event in full")
    event.add_argument("identifier", metavar="IDENTIFIER", help=_IDENTIFIER)

    letters = add_command(
        commands, common, "letters", "list meter events that need somebody"
    )
    letters.add_argument("-n", metavar="N", type=int, default=20, help="(default: 20)")
    letters.add_argument(
        "--tenant", metavar="TENANT", help="only of this tenant, or Stripe customer id"
    )


def add_event_changes(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add replay, resolve, cancel and compensate."""
    _add_replay(commands, common)
    resolve = add_command(
        commands,
        common,
        "resolve",
        "say whether Stripe has counted an ambiguous event",
        "event_changes:run_resolve",
    )
    counted = resolve.add_mutually_exclusive_group(required=True)
    counted.add_argument(
        "--counted", action="store_true", help="it has: nothing is sent again"
    )
    counted.add_argument(
        "--not-counted", action="store_true", help="it has not: its units go out again"
    )
    cancel = add_command(
        commands,
        common,
        "cancel",
        "have Stripe not count a meter event, within 24 hours",
        "event_changes:run_cancel",
    )
    cancel.add_argument(
        "--rebill", action="store_true", help="send its units again, in a new event"
    )
    compensate = add_command(
        commands,
        common,
        "compensate",
        "take a meter event back later, by a negative one",
        "event_changes:run_compensate",
    )
    for parser in (resolve, cancel, compensate):
        parser.add_argument("identifier", metavar="IDENTIFIER", help=_IDENTIFIER)
        add_write_options(parser, reason=True)
        add_operation_id(parser)


def _add_replay(commands: Commands, common: argparse.ArgumentParser) -> None:
    replay = add_command(
        commands,
        common,
        "replay",
        "send again what was dead or refused; shows it first, --yes does it",
        "replay:run",
    )
    replay.add_argument(
        "identifiers", metavar="IDENTIFIER", nargs="*", help=_IDENTIFIER
    )
    replay.add_argument("--all", action="store_true", help="all that can be")
    replay.add_argument(
        "--tenant", metavar="TENANT", help="with --all: only of this tenant"
    )
    replay.add_argument(
        "--reason-contains",
        metavar="TEXT",
        default="",
        help="with --all: only those refused with this text, in any case",
    )
    replay.add_argument(
        "--reason", metavar="TEXT", default="", help="kept in the audit trail"
    )
    replay.add_argument(
        "--no-wait",
        action="store_true",
        help="where changes are asked for: do not wait for the answer",
    )
    replay.add_argument("--yes", action="store_true", help="do it, and do not ask")
    add_operation_id(replay)
