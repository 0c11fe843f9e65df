"""Suspended to the shell, brought back, resized: the screen is whole again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.support.stage import stage


def state_of(process: int) -> str:
    """Return the letter of a process's state; T is stopped."""
    stat = Path(f"/proc/{process}/stat").read_text()
    return stat.rpartition(") ")[2][0]


def test_suspend_and_resume_bring_the_console_back(tmp_path: Path) -> None:
    """^z leaves the terminal as it was; fg paints everything, in the new size.

    And so does ^l, where somebody else has written into the terminal.
    """
    with stage(tmp_path) as here:
        here.redis.set(here.counter("acme"), 100)
        with here.console() as console:
            console.wait_for("acme")
            before = len(console.received)

            console.send("\x1a")
            deadline = time.monotonic() + 10
            while state_of(console.process.pid) != "T":
                assert time.monotonic() < deadline, "it does not stop"
                os.sched_yield()
            console.wait_for(lambda _: b"\x1b[?1049l" in console.received[before:])

            os.kill(console.process.pid, signal.SIGCONT)
            console.resize(80, 24)
            here.redis.set(here.counter("beta"), 7)
            shown = console.wait_for("beta", timeout_s=30)
            assert "acme" in shown
            assert len(shown.split("\n")) == 24

            console.screen.reset()  # as if another program had cleared it
            console.send("\x0c")
            assert "beta" in console.wait_for("acme")
            console.send("q")
            assert console.wait_end(timeout_s=10) == 0
