"""A terminal that goes away in the middle of an action."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.stage import stage
from tests.support.terminal import KEYS


@pytest.mark.parametrize("pause_ms", [0, 1500, 60_000])
def test_the_action_is_whole_or_absent(tmp_path: Path, pause_ms: int) -> None:
    """Counter and trail agree, whenever the line drops, and no process stays."""
    with stage(tmp_path) as here:
        here.redis.set(here.counter("acme"), 100)
        with here.console() as console:
            console.wait_for("acme")
            console.send("a")
            console.wait_for("Adjust a counter")
            console.send("5" + KEYS["tab"] * 2 + "lost connection")
            console.wait_for("105")
            if pause_ms:
                # Writes wait at the server, so the line drops in mid-action.
                here.redis.client_pause(pause_ms, all=False)
            console.send(KEYS["ctrl+s"])
            console.wait_for(lambda s: "Adjust a counter" not in s)

            console.hang_up()

            assert console.wait_end(timeout_s=30) != 0
        here.redis.client_unpause()
        entries = here.redis.xlen("meterdeck:audit:acme")
        used = int(here.redis.get(here.counter("acme")) or 0)
        assert (used, entries) in {(100, 0), (105, 1)}
        if pause_ms < 5000:
            assert (used, entries) == (105, 1)
