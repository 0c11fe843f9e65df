"""`meterdeck sandbox`: a local Stripe and Redis with simulated traffic."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.tui.cli.fleet_flags import add_fleet_flags

if TYPE_CHECKING:
    from meterdeck.core.sandbox.fleet import Fleet
    from meterdeck.core.sandbox.state import RunningSandbox
    from meterdeck.tui.cli.command import Commands

END_WITH_INPUT = "--end-with-input"

_PURPOSE = "run a local Stripe and Redis with simulated traffic"
_LARGEST_PORT = 65_535
_LARGE_FLEET = 5_000


def register(commands: Commands) -> None:
    """Add the command to the command line's grammar."""
    parser = commands.add_parser(
        "sandbox",
        help=_PURPOSE,
        description=_PURPOSE[0].upper()
        + _PURPOSE[1:]
        + ". Nothing leaves this machine.",
        allow_abbrev=False,
    )
    group = parser.add_argument_group("servers")
    for name in ("stripe", "redis"):
        group.add_argument(
            f"--{name}-port",
            metavar="PORT",
            type=_port,
            default=0,
            help="TCP port on 127.0.0.1 (default: a free one)",
        )
    for name, what in (("forward", "snapshots"), ("forward-thin", "thin events")):
        group.add_argument(
            f"--{name}-to",
            metavar="URL",
            type=_url,
            help=f"push every event there, signed, as {what}",
        )
    group.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        help="keep counters and Stripe's side there (default: forget them at the end)",
    )
    add_fleet_flags(parser)
    parser.add_argument("--no-traffic", action="store_true", help="nobody calls")
    parser.add_argument(
        "--no-worker",
        action="store_true",
        help="nothing is delivered, until you start meterdeck sync",
    )
    parser.add_argument(
        "--operators",
        action="store_true",
        help="operators have set overrides and corrected a counter already",
    )
    parser.add_argument(
        "--json",
        dest="as_json",
        action="store_true",
        help="when ready, print one line: stripe_api_base, redis_url and api_key",
    )
    # For `demo` and other programs that start a sandbox: it never outlives them.
    parser.add_argument(END_WITH_INPUT, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a sandbox until SIGTERM, SIGINT or SIGHUP, and return 0.

    Raises:
        ConfigError: A port is taken.
        Unreachable: A server did not start, or Valkey ended.
    """
    # The engine and its servers take half a second to import: only here.
    from meterdeck.tui.cli.ending import until_ended  # noqa: PLC0415

    options = SandboxOptions(
        stripe_port=arguments.stripe_port,
        redis_port=arguments.redis_port,
        tenants=arguments.tenants,
        rate=arguments.rate,
        seed=arguments.seed,
        traffic=not arguments.no_traffic,
        worker=not arguments.no_worker,
        operators=arguments.operators,
        data_dir=arguments.data_dir,
        forward_to=arguments.forward_to,
        forward_thin_to=arguments.forward_thin_to,
    )
    work = _serve(options, as_json=arguments.as_json)
    asyncio.run(until_ended(work, with_input=arguments.end_with_input))
    return 0


async def _serve(options: SandboxOptions, *, as_json: bool) -> None:
    from meterdeck.core.sandbox.sandbox import Sandbox  # noqa: PLC0415  # see `run`
    from meterdeck.core.sandbox.state import announce, withdraw  # noqa: PLC0415

    kept = options.stripe_state is not None and options.stripe_state.exists()
    if options.tenants >= _LARGE_FLEET and not (as_json or kept):
        # About a millisecond a tenant: somebody who waits should know for what.
        print(f"Creating {options.tenants:,} tenants …", file=sys.stderr)
    async with Sandbox(options) as sandbox:
        # A large fleet stays until the end: the collector need not walk it each time.
        gc.freeze()
        options = _with_fleet(options, sandbox.fleet)
        running = sandbox.running
        try:
            announce(running)
        except OSError as error:
            reason = f"{error.strerror}: {error.filename}"
            complaint = f"meterdeck: --context sandbox will not work here ({reason})"
            print(complaint, file=sys.stderr)
        try:
            secret = sandbox.webhook_secret
            shown = _line if as_json else partial(_text, options=options)
            print(shown(running, secret), flush=True)
            await sandbox.run()
        finally:
            withdraw(running.pid)


def _with_fleet(options: SandboxOptions, fleet: Fleet) -> SandboxOptions:
    """Return the options with the fleet that is there; say so if it is another."""
    if (fleet.seed, fleet.tenants) != (options.seed, options.tenants):
        print(
            f"meterdeck: {options.data_dir} keeps a fleet of {fleet.tenants:,} tenants"
            f" (seed {fleet.seed}), and it goes on; another needs another folder",
            file=sys.stderr,
        )
    return replace(options, seed=fleet.seed, tenants=fleet.tenants)


def _line(running: RunningSandbox, secret: str | None) -> str:
    shown = {
        "stripe_api_base": running.stripe_api_base,
        "redis_url": running.redis_url,
        "api_key": running.api_key,
    }
    if secret is not None:
        shown["webhook_secret"] = secret
    return json.dumps(shown)


def _text(running: RunningSandbox, secret: str | None, options: SandboxOptions) -> str:
    calls = f"about {options.rate:g} calls a second" if options.traffic else "no calls"
    exports = {
        "STRIPE_API_KEY": running.api_key,
        "STRIPE_API_BASE": running.stripe_api_base,
        "REDIS_URL": running.redis_url,
    }
    if secret is not None:
        exports["STRIPE_WEBHOOK_SECRET"] = secret
    lines = [f"  export {name}={shlex.quote(value)}" for name, value in exports.items()]
    return "\n".join(
        (
            f"The sandbox is ready: {options.tenants:,} tenants, {calls}.",
            "",
            "Console, in another terminal:",
            "  meterdeck --context sandbox",
            "",
            "Your own program, with any official Stripe SDK and any Redis client (give",
            "the SDK this API base as its host; there is no variable it reads itself):",
            *lines,
            "",
            "Ctrl-C ends it.",
        )
    )


def _url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a URL; write one as http://127.0.0.1:4242/webhook"
        )
    return url


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= port <= _LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a TCP port; write 1 to {_LARGEST_PORT}"
        )
    return port
