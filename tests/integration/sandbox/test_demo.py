"""`meterdeck demo`: a sandbox that lives exactly as long as its console."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.integration.sandbox.process import PATIENCE_S, listens, wait_until
from tests.support.terminal import Terminal

from meterdeck.core.errors import ConfigError, Unreachable
from meterdeck.core.sandbox.roles import LONG_NAME
from meterdeck.core.settings.running_sandbox import RunningSandbox, find_sandbox
from meterdeck.tui.cli.sandbox_process import SandboxProcess

DEMO = [sys.executable, "-P", "-m", "meterdeck.tui.cli.main", "demo"]
# Starts a sandbox as the demo does, says where it is, and stays.
STARTER = """
import json, sys, signal
from dataclasses import asdict
from meterdeck.tui.cli.sandbox_process import SandboxProcess
with SandboxProcess(["--tenants=3"]) as process:
    running = process.ready(lambda seconds: None)
    print(json.dumps(asdict(running)), flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own sandbox out of it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("METERDECK_STATE_DIR", str(folder))
    return folder


def answers(running: RunningSandbox) -> bool:
    ports = (urlsplit(url).port for url in (running.stripe_api_base, running.redis_url))
    return any(listens(port or 0) for port in ports)


def test_the_sandbox_of_a_block_answers_in_it_and_is_gone_after_it() -> None:
    """Leaving the block ends both servers and takes back the state file."""
    with SandboxProcess(["--tenants=3"]) as process:
        running = process.ready(lambda _: None)
        assert answers(running)
        assert find_sandbox() == running

    assert not answers(running)
    with pytest.raises(ConfigError):
        find_sandbox()


def test_a_sandbox_that_does_not_start_says_why() -> None:
    """The child's own sentence is the message."""
    with (
        SandboxProcess(["--tenants=100001"]) as process,
        pytest.raises(Unreachable, match=r"did not start: .*100,000"),
    ):
        process.ready(lambda _: None)


def test_somebody_who_waits_is_told_how_long() -> None:
    """The seconds go up while the sandbox starts."""
    told: list[float] = []
    with SandboxProcess(["--tenants=3"]) as process:
        process.ready(told.append)

    assert told
    assert told == sorted(told)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_sandbox_ends_when_the_program_that_started_it_is_killed(
    signum: signal.Signals,
) -> None:
    """Nobody has to clean up: the end of its input ends it."""
    program = subprocess.Popen(
        [sys.executable, "-P", "-c", STARTER], stdout=subprocess.PIPE
    )
    with program:
        assert program.stdout is not None
        running = RunningSandbox(**json.loads(program.stdout.readline()))
        assert answers(running)

        program.send_signal(signum)
        program.wait(PATIENCE_S)

        wait_until(lambda: not answers(running))


def test_the_demo_needs_a_terminal(state_dir: Path) -> None:
    """Without one it is a sentence and exit 2, and no sandbox was started."""
    done = subprocess.run(
        DEMO, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "terminal" in done.stderr
    assert not state_dir.exists()


def test_the_demo_shows_the_fleet_and_leaves_nothing_behind(state_dir: Path) -> None:
    """The console opens on the sandbox; after `q` neither is there any more."""
    env = {"METERDECK_STATE_DIR": str(state_dir)}
    with Terminal(DEMO, env=env) as terminal:
        terminal.wait_for(LONG_NAME.name[:12])
        running = find_sandbox()

        terminal.send("q")

        assert terminal.wait_end() == 0
    assert not answers(running)
    assert list(state_dir.iterdir()) == []


def test_a_lost_terminal_ends_the_demo_and_its_sandbox(state_dir: Path) -> None:
    """A dropped SSH connection leaves no server running."""
    env = {"METERDECK_STATE_DIR": str(state_dir)}
    with Terminal(DEMO, env=env) as terminal:
        terminal.wait_for(LONG_NAME.name[:12])
        running = find_sandbox()

        terminal.hang_up()

        wait_until(lambda: not answers(running))
