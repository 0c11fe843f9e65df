"""The grammar of `meterdeck requests`."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command

_REQUEST = "its name, alice:4f3c, or where that is plain its id"


def add_requests(commands: Commands, common: argparse.ArgumentParser) -> None:
    """Add requests and what can be done with them."""
    requests = add_command(
        commands, common, "requests", "list requests, decide one, or serve them"
    )
    requests.set_defaults(answers=20)
    actions = requests.add_subparsers(metavar="ACTION")
    listed = add_command(actions, common, "list", "list them", "requests:run")
    listed.add_argument(
        "-n",
        metavar="N",
        dest="answers",
        type=int,
        default=20,
        help="at most N that were answered (default: 20)",
    )
    shown = add_command(actions, common, "show", "show one", "requests:run_show")
    shown.add_argument("request", metavar="REQUEST", help=_REQUEST)
    for name, purpose in (
        ("approve", "have somebody else's request carried out"),
        ("reject", "have somebody else's request ended"),
        ("withdraw", "take your own request back"),
    ):
        _add_decision(actions, common, name, purpose)
    serve = add_command(
        actions, common, "serve", "make the changes that are asked for; runs on",
        "requests_serve:run",
    )  # fmt: skip
    serve.add_argument(
        "--once", action="store_true", help="those that are there now; then end"
    )


def _add_decision(
    actions: Commands, common: argparse.ArgumentParser, name: str, purpose: str
) -> None:
    decision = add_command(actions, common, name, purpose, f"requests:run_{name}")
    decision.add_argument("request", metavar="REQUEST", help=_REQUEST)
    decision.add_argument(
        "--reason", metavar="TEXT", default="", help="told to who asked"
    )
    decision.add_argument(
        "--yes", action="store_true", help="do not ask, even in a live context"
    )
    decision.add_argument(
        "--no-wait", action="store_true", help="do not wait for the answer"
    )
