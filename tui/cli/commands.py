"""The grammar of the command line; handlers are named, and imported when called."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from meterdeck.core.errors import BadInput
from meterdeck.core.version import VERSION
from meterdeck.tui.cli.command import Commands, add_command, add_filter
from meterdeck.tui.cli.commands_about_itself import add_own_commands
from meterdeck.tui.cli.commands_of_acl import add_acl
from meterdeck.tui.cli.commands_of_alerts import add_alerts
from meterdeck.tui.cli.commands_of_catalogue import add_catalogue_commands
from meterdeck.tui.cli.commands_of_costs import add_cost
from meterdeck.tui.cli.commands_of_doctor import add_doctor
from meterdeck.tui.cli.commands_of_events import (
    add_event_changes,
    add_event_commands,
)
from meterdeck.tui.cli.commands_of_faults import add_fault_commands
from meterdeck.tui.cli.commands_of_handoff import add_handoff
from meterdeck.tui.cli.commands_of_requests import add_requests
from meterdeck.tui.cli.commands_that_write import add_writing_commands

_DESCRIPTION = "The operators' side of usage-based billing on Stripe Meters and Redis."
_EPILOG = """\
Without a command the console opens. Exit codes: 0 done, 1 refused or not found,
2 wrong use or configuration, 3 Redis or Stripe out of reach, 4 asked for, and not
answered yet.
"""
_ACTIONS = (
    "adjust",
    "adjust:add",
    "adjust:subtract",
    "adjust:set",
    "adjust:reset",
    "override",
    "override:set",
    "override:clear",
    "undo",
    "event",
    "event:replay",
    "event:resolve",
    "event:cancel",
    "event:compensate",
    "billing",
    "billing:repair",
)
_SANDBOX = {
    "sandbox": "run a local Stripe and Redis with simulated traffic",
    "demo": "open the console on a sandbox of its own; nothing to set up",
}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `BadInput` in place of ending the program.

    What begins with a minus and a digit is never an option: -1,500 is a change, and
    -1001234 the id of a chat.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        # argparse's own, as newer Pythons have it; older ones know -1500 and -1.5 only.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def error(self, message: str) -> NoReturn:
        """Raise the complaint, with where the help is.

        Raises:
            BadInput: Always.
        """
        raise BadInput(f"{message}; see: {self.prog} --help")


def build_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Return the parser of every command."""
    common = _common()
    parser = _root(common)
    parser.add_argument("--version", action="version", version=f"meterdeck {VERSION}")
    parser.set_defaults(handler="meterdeck.tui.cli.console:run", as_json=False)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _add_reading_commands(commands, common)
    add_writing_commands(commands, common)
    _add_sync(commands, common)
    add_alerts(commands, common)
    add_requests(commands, common)
    add_event_changes(commands, common)
    add_catalogue_commands(commands, common)
    _add_setup_commands(commands, common)
    add_acl(commands, common)
    _add_sandbox_commands(commands, arguments)
    add_fault_commands(commands, common)
    add_own_commands(commands, common)
    return parser


def _root(common: argparse.ArgumentParser) -> argparse.ArgumentParser:
    return Parser(
        prog="meterdeck",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _common() -> argparse.ArgumentParser:
    """Options of every command, before or after its name.

    Suppressed defaults: a command's own default would hide what stood before it.
    """
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("environment")
    group.add_argument("--config", metavar="FILE", help="the configuration file")
    group.add_argument("--context", metavar="NAME", help="the context to work in")
    group.add_argument("--redis-url", metavar="URL", help="another Redis than its own")
    group.add_argument(
        "--stripe-api-base", metavar="URL", help="another Stripe than its own"
    )
    group.add_argument("--read-only", action="store_true", help="refuse every change")
    return common


def _add_reading_commands(
    commands: Commands,
    common: argparse.ArgumentParser,
) -> None:
    tenants = add_command(commands, common, "tenants", "list tenants and their usage")
    add_filter(tenants)
    tenants.add_argument(
        "--view",
        metavar="NAME",
        default="",
        help="filter and order of a saved view, or of one that is always there",
    )
    tenants.add_argument(
        "--sort",
        metavar="KEY",
        help="worst, name, plan, status, reset, trend or a resource (default: worst)",
    )
    tenants.add_argument("-n", metavar="N", type=int, help="at most N tenants")
    tenants.add_argument(
        "--refresh", action="store_true", help="read customers from Stripe first"
    )

    usage = add_command(commands, common, "usage", "show one tenant's counters")
    usage.add_argument("tenant", metavar="TENANT", help="tenant or Stripe customer id")
    usage.add_argument(
        "--history",
        action="store_true",
        help="burn rates, time to the limit, days, and earlier periods",
    )
    usage.add_argument(
        "--stripe",
        action="store_true",
        help="with --history: older periods by Stripe's summaries, too",
    )

    add_cost(commands, common)

    why = add_command(commands, common, "why", "show why a tenant was refused")
    why.add_argument("tenant", metavar="TENANT", help="tenant or Stripe customer id")
    why.add_argument("-n", metavar="N", type=int, default=20, help="(default: 20)")

    add_event_commands(commands, common)

    closing = add_command(
        commands, common, "closing", "show what is unsent of periods that end soon"
    )
    closing.add_argument(
        "--hours",
        metavar="N",
        type=int,
        help="how soon (default: delivery.close_guard_hours)",
    )

    audit = add_command(commands, common, "audit", "show who changed what")
    audit.add_argument("tenant", metavar="TENANT", nargs="?")
    add_filter(audit)
    audit.add_argument("-n", metavar="N", type=int, default=20, help="(default: 20)")
    audit.add_argument(
        "--before",
        metavar="PLACE",
        help="only older ones: an entry's id, what --json has as next, or a moment",
    )
    audit.add_argument(
        "--since",
        metavar="WHEN",
        help="only newer ones, in UTC: 2026-11-27 (from its start), 3d, today",
    )
    audit.add_argument("--actor", metavar="NAME", default="", help="only NAME's")
    audit.add_argument(
        "--action",
        default="",
        choices=_ACTIONS,
        metavar="ACTION",
        help="only " + ", ".join(_ACTIONS),
    )
    audit.add_argument(
        "--verify",
        action="store_true",
        help="check that the trail is unchanged: TENANT's, or everybody's",
    )

    add_doctor(commands, common)

    commands.add_parser(
        "pulse",
        help="open the console on the whole fleet, for a display on a wall",
        parents=[common],
        allow_abbrev=False,
    ).set_defaults(handler="meterdeck.tui.cli.console:run_pulse", as_json=False)

    health = add_command(
        commands, common, "health", "show how Redis, Stripe and delivery are, now"
    )
    health.add_argument(
        "--strict", action="store_true", help="end with 1 for what is to look at, too"
    )

    add_handoff(commands, common)

    spool = add_command(
        commands, common, "spool", "show usage on disk that Redis was not told yet"
    )
    spool.add_argument(
        "directory", metavar="DIR", nargs="?", help="(default: the context's)"
    )


def _add_sync(commands: Commands, common: argparse.ArgumentParser) -> None:
    sync = add_command(commands, common, "sync", "bring usage to Stripe; runs on")
    sync.add_argument(
        "--once",
        action="store_true",
        help="what is unsent now, without waiting; then end",
    )
    sync.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=int,
        help="where Prometheus finds the metrics (default: delivery.metrics_port)",
    )


def _add_setup_commands(
    commands: Commands,
    common: argparse.ArgumentParser,
) -> None:
    init = add_command(commands, common, "init", "write a commented configuration")
    init.add_argument("path", metavar="FILE", nargs="?", default="meterdeck.toml")
    init.add_argument("--force", action="store_true", help="replace the file")

    add_command(commands, common, "contexts", "list the configured contexts")

    scripts = add_command(
        commands, common, "scripts", "list the scripts of the Redis contract"
    )
    scripts.add_argument(
        "directory", metavar="DIR", nargs="?", help="write each into a file there"
    )
    scripts.add_argument("--force", action="store_true", help="replace other texts")

    config = commands.add_parser("config", help="look at the configuration")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    add_command(
        actions,
        common,
        "show",
        "print every setting and where it came from; secrets are masked",
        "config_show:run",
    )


def _add_sandbox_commands(
    commands: Commands,
    arguments: list[str],
) -> None:
    """Add the sandbox's own commands; their grammar is imported when one is named."""
    pairs = zip(["", *arguments], arguments, strict=False)
    values = {value for option, value in pairs if option == "--context"}
    for name, purpose in _SANDBOX.items():
        if name in arguments and name not in values:
            from importlib import import_module  # noqa: PLC0415 - see above

            import_module(f"meterdeck.tui.cli.{name}").register(commands)
        else:
            commands.add_parser(name, help=purpose)
