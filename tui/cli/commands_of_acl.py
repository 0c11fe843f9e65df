"""The grammar of the command that makes Redis users."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command
from meterdeck.tui.cli.commands_that_write import add_write_options


def add_acl(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add acl."""
    acl = add_command(
        commands, common, "acl", "print the Redis user of each role, and make it so"
    )
    acl.add_argument(
        "roles",
        metavar="ROLE",
        nargs="*",
        help="application, worker, viewer, support, lead, requester, clerk, deploy"
        " (default: all)",
    )
    acl.add_argument(
        "--apply",
        action="store_true",
        help="show what differs on the server, and make it so",
    )
    add_write_options(acl, reason=False)
    acl.add_argument(
        "--file", action="store_true", help="lines of an ACL file, not commands"
    )
    acl.add_argument(
        "--server",
        metavar="VERSION",
        default="",
        help="print what that server takes: 7.0, 7.2, 8, valkey-9 (default: ask it)",
    )
    acl.add_argument(
        "--user", metavar="NAME", default="", help="of one role: the user's name"
    )
    acl.add_argument(
        "--hash",
        metavar="SHA256",
        default="",
        help="of one role: its password's SHA-256 in hexadecimal",
    )
    acl.add_argument(
        "--generate",
        action="store_true",
        help="make a new password for each, and print it, this once",
    )
    acl.add_argument(
        "--stripe",
        action="store_true",
        help="print what each role's restricted Stripe key needs, instead",
    )
