"""The grammar of `meterdeck doctor`."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command

# Written out: the model of the roles is only read by who asks for them.
_ROLES = (
    "application", "worker", "viewer", "support", "lead", "requester", "clerk",
    "deploy",
)  # fmt: skip


def add_doctor(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    doctor = add_command(
        commands, common, "doctor", "look for what is wrong, and say how to mend it"
    )
    doctor.add_argument(
        "checks", metavar="CHECK", nargs="*", help="only these (default: all)"
    )
    doctor.add_argument(
        "--list", action="store_true", help="list the checks, and make none"
    )
    doctor.add_argument(
        "--all",
        action="store_true",
        help="look at every audit trail and every customer, not at some",
    )
    doctor.add_argument(
        "--strict", action="store_true", help="end with 1 for warnings, too"
    )
    doctor.add_argument(
        "--role",
        choices=_ROLES,
        metavar="ROLE",
        help="what the Stripe key is for: " + ", ".join(_ROLES) + " (default: worker,"
        " or viewer in a read-only context)",
    )
    doctor.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        help="the most that one check may take (default: 10, with --all 600)",
    )
    doctor.add_argument(
        "--fix",
        action="store_true",
        help="show what of it can be mended safely, and ask; with --yes, mend it",
    )
    doctor.add_argument(
        "--yes", action="store_true", help="with --fix: mend it, and do not ask"
    )
