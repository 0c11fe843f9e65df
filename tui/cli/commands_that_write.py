"""The grammar of the commands that change something."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command, add_filter

_TENANT = "tenant or Stripe customer id"


def add_writing_commands(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add adjust, reset, undo, override, consume, gauge, unique, track and fire."""
    _add_adjust(commands, common)
    _add_undo(commands, common)
    _add_override(commands, common)
    _add_consume(commands, common)
    _add_gauge(commands, common)
    _add_unique(commands, common)
    _add_track(commands, common)
    _add_fire(commands, common)
    _add_reconcile(commands, common)


def _add_adjust(commands: Commands, common: argparse.ArgumentParser) -> None:
    adjust = add_command(commands, common, "adjust", "change a counter")
    _add_counter(adjust)
    adjust.add_argument("change", metavar="+N|-N|=N", help="add, take away, or set")
    reset = add_command(
        commands, common, "reset", "set a counter to 0", "adjust:run_reset"
    )
    _add_counter(reset)
    for parser in (adjust, reset):
        add_write_options(parser, reason=True)
        parser.add_argument(
            "--expect", metavar="N", help="refuse if the counter is not N any more"
        )
        parser.add_argument(
            "--bill",
            choices=("quota-only", "quota-and-bill"),
            default="quota-only",
            help="whether the invoice follows (default: quota-only)",
        )
        add_operation_id(parser)


def _add_undo(commands: Commands, common: argparse.ArgumentParser) -> None:
    undo = add_command(commands, common, "undo", "take an operator's change back")
    undo.add_argument("tenant", metavar="TENANT", help=_TENANT)
    undo.add_argument(
        "audit_id",
        metavar="AUDIT_ID",
        nargs="?",
        help="entry of the audit trail (default: the newest that can be undone)",
    )
    add_write_options(undo, reason=True)
    add_operation_id(undo)


def _add_override(commands: Commands, common: argparse.ArgumentParser) -> None:
    override = commands.add_parser("override", help="give a tenant a limit of its own")
    actions = override.add_subparsers(metavar="ACTION", required=True)
    put = add_command(
        actions, common, "set", "set a tenant's limit", "overrides:run_set"
    )
    _add_counter(put)
    put.add_argument(
        "limit", metavar="LIMIT",
        help="units a period; x1.5, +20%%: by the present one; or: unlimited",
    )  # fmt: skip
    put.add_argument(
        "--until",
        metavar="WHEN",
        help="when it ends, in UTC: 2026-11-27 (that whole day), 2026-11-27T18:00Z,"
        " 3d, 12h, friday",
    )
    clear = add_command(
        actions, common, "clear", "give the plan's limit back", "overrides:run_clear"
    )
    _add_counter(clear)
    for parser in (put, clear):
        parser.add_argument(
            "--filter",
            action="store_true",
            help="TENANT is a filter, as of: tenants --filter; shows what would"
            " change, and with --yes changes it",
        )
        add_write_options(parser, reason=True)
        add_operation_id(parser)
    listing = add_command(
        actions, common, "list", "list overrides in force", "overrides:run_list"
    )
    listing.add_argument("tenant", metavar="TENANT", nargs="?", help=_TENANT)
    add_filter(listing)


def _add_consume(commands: Commands, common: argparse.ArgumentParser) -> None:
    consume = add_command(
        commands, common, "consume", "count usage as an application does, if allowed"
    )
    consume.add_argument("tenant", metavar="TENANT", help=_TENANT)
    consume.add_argument(
        "amounts", metavar="RESOURCE=N", nargs="+", help="all are counted, or none"
    )
    consume.add_argument(
        "--call-id", metavar="ID", help="a repeat with the same id counts nothing"
    )
    add_write_options(consume, reason=False)


def _add_gauge(commands: Commands, common: argparse.ArgumentParser) -> None:
    gauge = commands.add_parser("gauge", help="record a level as an application does")
    actions = gauge.add_subparsers(metavar="ACTION", required=True)
    put = add_command(
        actions, common, "set", "record a level, whatever the limit", "kinds:run_gauge"
    )
    _add_counter(put)
    put.add_argument("level", metavar="N", help="the level, such as storage now")
    put.add_argument(
        "--at",
        metavar="WHEN",
        help="when it was measured, in UTC: 2026-11-27T18:00Z, 10m ago as 10m"
        " (default: now)",
    )
    _add_call_id(put)


def _add_unique(commands: Commands, common: argparse.ArgumentParser) -> None:
    unique = commands.add_parser("unique", help="count members as an application does")
    actions = unique.add_subparsers(metavar="ACTION", required=True)
    add = add_command(
        actions,
        common,
        "add",
        "count distinct members, where the limit allows it",
        "kinds:run_unique",
    )
    _add_counter(add)
    add.add_argument(
        "members", metavar="MEMBER", nargs="+", help="all are counted, or none"
    )
    _add_call_id(add)


def _add_track(commands: Commands, common: argparse.ArgumentParser) -> None:
    track = add_command(
        commands, common, "track", "count use that is billed by an event of its own"
    )
    _add_counter(track)
    track.add_argument(
        "units", metavar="UNITS", nargs="?", default="1", help="how much (default: 1)"
    )
    track.add_argument(
        "--dimension",
        metavar="NAME=VALUE",
        action="append",
        help="what the event says besides; may be given again",
    )
    track.add_argument(
        "--at",
        metavar="WHEN",
        help="when it was used, in UTC: 2026-11-27T18:00Z, 10m ago as 10m"
        " (default: now)",
    )
    track.add_argument(
        "--call-id", metavar="ID", help="a repeat with the same id counts nothing"
    )
    add_write_options(track, reason=False)


def _add_call_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--call-id", metavar="ID", help="a repeat with the same id changes nothing"
    )
    parser.add_argument(
        "--yes", action="store_true", help="do not ask, even in a live context"
    )


def _add_fire(commands: Commands, common: argparse.ArgumentParser) -> None:
    fire = add_command(commands, common, "fire", "send a test meter event to Stripe")
    _add_counter(fire)
    fire.add_argument("quantity", metavar="QUANTITY", nargs="?", default="1")
    fire.add_argument(
        "--count", action="store_true", help="add it to the counter as well"
    )
    fire.add_argument(
        "--dry-run", action="store_true", help="show what would be sent, send nothing"
    )
    add_operation_id(fire)


def _add_reconcile(commands: Commands, common: argparse.ArgumentParser) -> None:
    reconcile = add_command(
        commands, common, "reconcile", "compare what was used with what Stripe has"
    )
    add_filter(reconcile)
    reconcile.add_argument(
        "--tenant",
        metavar="TENANT",
        action="append",
        default=[],
        help=f"only this {_TENANT}; may be given again",
    )
    reconcile.add_argument(
        "--resource",
        metavar="RESOURCE",
        action="append",
        default=[],
        help="only this resource; may be given again",
    )
    reconcile.add_argument(
        "--all",
        action="store_true",
        help="also what has not changed since Stripe last agreed",
    )
    reconcile.add_argument(
        "--repair",
        action="store_true",
        help="show what a repair would change; with --yes, change it",
    )
    reconcile.add_argument(
        "--yes", action="store_true", help="carry the repair out, and do not ask"
    )
    reconcile.add_argument(
        "--foreign",
        choices=("leave", "compensate", "ours"),
        default="leave",
        help="usage in Stripe that we did not send: leave it, take it off by a negative"
        " event, or know it for ours, sent before Redis was restored (default: leave)",
    )
    reconcile.add_argument(
        "--lower-is-right",
        action="store_true",
        help="counters lower than what was billed are right: bill the difference back",
    )
    reconcile.add_argument(
        "--reason", metavar="TEXT", help="kept in the audit trail (default: the cause)"
    )


def _add_counter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tenant", metavar="TENANT", help=_TENANT)
    parser.add_argument("resource", metavar="RESOURCE")


def add_write_options(parser: argparse.ArgumentParser, *, reason: bool) -> None:
    """Add --yes and --dry-run, and where a change has one --reason."""
    if reason:
        parser.add_argument(
            "--reason", metavar="TEXT", required=True, help="kept in the audit trail"
        )
        parser.add_argument(
            "--no-wait",
            action="store_true",
            help="where changes are asked for: do not wait for the answer",
        )
    parser.add_argument(
        "--yes", action="store_true", help="do not ask, even in a live context"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, change nothing"
    )


def add_operation_id(parser: argparse.ArgumentParser) -> None:
    """Add --operation-id."""
    parser.add_argument(
        "--operation-id",
        metavar="ID",
        help="repeat an operation whose answer was lost: it is done at most once",
    )
