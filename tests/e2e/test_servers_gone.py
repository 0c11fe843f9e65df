"""Servers that go away and come back, seen from the console."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.running_sandbox import running_sandbox
from tests.support.stage import stage

_AGE = re.compile(r"(\d+)\s*s(econds)? (ago|old)")


def test_redis_goes_and_comes_back(tmp_path: Path) -> None:
    """The console says so, keeps the picture with its age, recovers by itself."""
    with stage(tmp_path) as here:
        here.redis.set(here.counter("acme"), 640)
        with here.console() as console:
            console.wait_for(lambda s: "acme" in s and "64%" in s)

            here.crash()
            shown = console.wait_for("does not answer")
            assert "acme" in shown
            assert "64%" in shown
            console.wait_for(lambda s: _AGE.search(s) is not None)

            here.restart()
            console.wait_for(lambda s: "does not answer" not in s and "64%" in s)
            here.redis.set(here.counter("acme"), 810)
            console.wait_for("81%")


def test_counters_move_while_stripe_is_away(tmp_path: Path) -> None:
    """With Stripe gone the header says so and usage goes on."""
    with (
        running_sandbox(tenants=5) as sandbox,
        stage(tmp_path, stripe=sandbox.addresses) as here,
    ):
        here.redis.set(here.counter("acme"), 100)
        with here.console() as console:
            console.wait_for(lambda s: "acme" in s and "10%" in s)
            console.wait_for(lambda s: re.search(r"stripe\s+<?\d+ ms", s) is not None)

            sandbox.process.terminate()
            sandbox.process.wait(20)
            console.wait_for(lambda s: re.search(r"stripe\s+<?\d+ ms", s) is None)

            for used, share in ((330, "33%"), (550, "55%")):
                here.redis.set(here.counter("acme"), used)
                console.wait_for(share)
