"""A server of one's own, a configuration file for it, and the console on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis
from tests.support.redis_server import running_server
from tests.support.running_sandbox import METERDECK, child_environment
from tests.support.terminal import Terminal

from meterdeck.core.model.periods import calendar_month
from meterdeck.core.sandbox.valkey import Valkey

LIMIT = 1000

_CONFIG = """\
default_context = "stage"

[resources.api_calls]
label = "API calls"
unit = "call"
meter = "api_requests"

[plans.basic]
label = "Basic"
[plans.basic.limits]
api_calls = {limit}

[contexts.stage]
mode = "test"
default_plan = "basic"
arm_minutes = {arm_minutes}

[contexts.stage.redis]
url = "{redis_url}"
timeout_seconds = 5.0
"""

_STRIPE = """
[contexts.stage.stripe]
api_key = {{ env = "STAGE_STRIPE_KEY" }}
api_base = "{api_base}"
poll_seconds = 0.5
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and what a program needs to use it.

    Attributes:
        redis: A plain client, as a program that is not ours has one.
    """

    server: Valkey
    redis: Redis
    config: Path
    environment: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        """Return a meterdeck command line that uses this stage."""
        return [METERDECK, "--config", str(self.config), *words]

    def console(self, *, columns: int = 120, rows: int = 40) -> Terminal:
        """Open the console in a terminal of this size."""
        return Terminal(
            self.command(), columns=columns, rows=rows, env=self.environment
        )

    def counter(self, tenant: str | bytes) -> bytes:
        """Name a tenant's counter in the server's month, as a legacy program does."""
        name = tenant.encode() if isinstance(tenant, str) else tenant
        return b"usage:" + name + b":api_calls:" + self.month().encode()

    def month(self) -> str:
        """Return the label of the month on the server's clock."""
        seconds, _ = self.redis.time()
        return calendar_month(datetime.fromtimestamp(seconds, UTC)).label

    def crash(self) -> None:
        """Kill the server."""
        _outside_tests_loop(self.server.kill())

    def restart(self) -> None:
        """Start the server again, on the same port and data."""
        _outside_tests_loop(self.server.start())


@contextmanager
def stage(
    folder: Path, *, stripe: Mapping[str, str] | None = None, arm_minutes: int = 0
) -> Iterator[Stage]:
    """Run a stage whose files are in `folder`; its console is always armed.

    Args:
        stripe: `stripe_api_base` and `api_key` of a Stripe to use; None for none.
    """
    with running_server("valkey", folder / "valkey") as server:
        config = folder / "meterdeck.toml"
        text = _CONFIG.format(
            limit=LIMIT, redis_url=server.url, arm_minutes=arm_minutes
        )
        key = ""
        if stripe:
            text += _STRIPE.format(api_base=stripe["stripe_api_base"])
            key = stripe["api_key"]
        config.write_text(text, encoding="utf-8")
        environment = child_environment(
            METERDECK_STATE_DIR=str(folder / "state"), STAGE_STRIPE_KEY=key
        )
        with Redis.from_url(server.url) as redis:
            yield Stage(server, redis, config, environment)


def _outside_tests_loop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
