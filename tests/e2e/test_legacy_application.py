"""A program of another language, and what the console shows of it."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from tests.support.node import node_modules, run_node
from tests.support.running_sandbox import RunningSandbox, running_sandbox
from tests.support.terminal import Terminal

INTEROP = Path(__file__).parents[1] / "interop"
_CLOCK = re.compile(r"UTC (\d\d):(\d\d):(\d\d)")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox that nobody else uses."""
    node_modules(INTEROP)
    with running_sandbox(tenants=10) as running:
        yield running


def _seconds(screen: str) -> int:
    clock = _CLOCK.search(screen)
    assert clock, screen
    hours, minutes, seconds = map(int, clock.groups())
    return hours * 3600 + minutes * 60 + seconds


def test_its_tenants_and_counts_are_on_the_screen(sandbox: RunningSandbox) -> None:
    """A Node program with official clients runs unchanged; the console shows it."""
    names = ["Legacy One", "Legacy Two", "Ünïcode 🦓"]
    with (
        Terminal(sandbox.command(), env=sandbox.environment) as console,
        Redis.from_url(sandbox.redis_url) as redis,
    ):
        console.wait_for(lambda s: "▌" in s and "%" in s)

        done = asyncio.run(
            run_node(
                INTEROP / "legacy_app.mjs",
                {
                    "STRIPE_API_BASE": sandbox.addresses["stripe_api_base"],
                    "STRIPE_API_KEY": sandbox.addresses["api_key"],
                    "REDIS_URL": sandbox.redis_url,
                    "METER_EVENT_NAME": "api_requests",
                    "CUSTOMERS": ",".join(names),
                    "CALLS": "40",
                },
            )
        )
        assert (done.code, done.err) == (0, "")
        [first, *_] = json.loads(done.out)["customers"]

        console.send("/legacy")
        console.wait_for(lambda s: "Legacy One" in s and "Legacy Two" in s)
        console.wait_for(lambda s: re.search(r"\b40\b", s) is not None)

        [key] = redis.scan_iter(match=f"usage:{first['id']}:api_calls:*")
        delays = [_delay(console, redis, key) for _ in range(5)]
        # The console's own clock against the server's: what the screen shows was
        # true at most two seconds before, on a slow machine as on a fast one.
        assert statistics.median(delays) <= 2

        console.send("\x1b" + "e")
        console.wait_for("Legacy One")


def _delay(console: Terminal, redis: Redis, key: bytes) -> int:
    """Count as a legacy program does; return the seconds until it is on the screen."""
    seconds, _ = redis.time()
    used = redis.incr(key, 100)
    shown = console.wait_for(lambda s: f"{used:,}" in s)
    return (_seconds(shown) - seconds) % 86_400
