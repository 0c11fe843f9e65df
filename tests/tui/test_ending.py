"""How the console ends: wrong settings, faults, signals, a lost terminal."""

import os
import signal
import stat
import sys
import textwrap
from pathlib import Path

import pytest
from tests.support.terminal import Terminal
from tests.tui.pictures import context
from tests.tui.scripted_runtime import ScriptedRuntime
from tests.tui.support import console, fleet_update

from meterdeck.core.errors import ConfigError
from meterdeck.tui.crash import Crash

PROGRAM = """
import sys, threading, time
sys.path.insert(0, {root!r})
from meterdeck.tui import app
from meterdeck.core.errors import ConfigError
{body}
"""
ROOT = str(Path(__file__).parents[2])

UNREACHABLE = """
from meterdeck.core.model.context import Context, Mode, RedisOptions
def load():
    redis = RedisOptions("redis://127.0.0.1:9", timeout_s=0.2)
    return Context("lab", Mode.TEST, False, redis, None, (), dict())
sys.exit(app.run_console(load))
"""
WRONG = """
def load():
    raise ConfigError("config.toml: contexts.prod", "has no redis", "add url")
sys.exit(app.run_console(load))
"""
BUSY = """
import asyncio, pathlib
from meterdeck.tui.runtime import EngineRuntime
async def slow(engine):
    await asyncio.sleep(1.0)
    pathlib.Path({done!r}).write_text("done")
real = EngineRuntime.taken
def taken(self):
    real(self)
    if not self._jobs:
        self.submit(slow)
        pathlib.Path({begun!r}).write_text("begun")
EngineRuntime.taken = taken
"""


def program(body: str) -> list[str]:
    """Return a command line that runs a console."""
    code = PROGRAM.format(root=ROOT, body=textwrap.dedent(body))
    return [sys.executable, "-c", code]


def until_exists(terminal: Terminal, path: Path) -> None:
    """Wait until the program has written a file."""
    terminal.wait_for(lambda _: path.exists())


def test_wrong_settings_end_with_their_sentence_and_code_2() -> None:
    """The screen is left before the sentence is printed."""
    with Terminal(program(WRONG)) as terminal:
        code = terminal.wait_end()
        shown = terminal.wait_for("has no redis; add url")

    assert code == 2
    assert "meterdeck: config.toml: contexts.prod: has no redis" in shown


def test_the_console_runs_without_a_server_and_quits_by_its_key() -> None:
    """An unreachable Redis is told on the screen; `q` ends with 0."""
    with Terminal(program(UNREACHABLE)) as terminal:
        terminal.wait_for("Redis does not answer")
        terminal.send("q")

        assert terminal.wait_end() == 0


def test_sigterm_ends_in_order() -> None:
    """The terminal is given back, the exit code says why."""
    with Terminal(program(UNREACHABLE)) as terminal:
        terminal.wait_for("Redis does not answer")
        terminal.process.send_signal(signal.SIGTERM)

        assert terminal.wait_end() == 128 + signal.SIGTERM
        assert b"\x1b[?1049l" in terminal.received


def test_a_lost_terminal_ends_the_process_after_what_is_in_flight(
    tmp_path: Path,
) -> None:
    """A closed SSH connection leaves no process and no half-sent action."""
    done, begun = tmp_path / "done", tmp_path / "begun"
    body = BUSY.format(done=str(done), begun=str(begun)) + UNREACHABLE
    with Terminal(program(body)) as terminal:
        until_exists(terminal, begun)
        terminal.hang_up()

        assert terminal.wait_end() == 128 + signal.SIGHUP
    assert done.read_text() == "done"


def test_no_colour_sends_no_colour() -> None:
    """With NO_COLOR set, only the terminal's own two colours are used."""
    with Terminal(program(UNREACHABLE), env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("Redis does not answer")
        terminal.send("q")
        terminal.wait_end()

        assert b"38;2;" not in terminal.received
        assert b"38;5;" not in terminal.received


async def test_the_engine_that_fails_ends_the_console_with_its_code() -> None:
    """A ConfigError is code 2 and kept for the sentence."""
    runtime = ScriptedRuntime(None, failure=ConfigError("x", "is wrong"))
    app = console(runtime)
    async with app.run_test() as pilot:
        await pilot.pause()

    assert app.return_code == 2
    assert "is wrong" in str(app.ended)


async def test_a_fault_is_one_sentence_and_a_trace_without_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local variables, where secrets would be, are not in the trace."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path))

    def fault() -> None:
        planted = "sk_test_" + "planted_key"
        raise ValueError(f"broken with {planted}")

    runtime = ScriptedRuntime(context(), fleet_update())
    app = console(runtime)

    async def run() -> None:
        async with app.run_test() as pilot:
            while not runtime.consumed:
                await pilot.pause()
            app.call_later(fault)
            while app.crash is None:
                await pilot.pause()

    with pytest.raises(ValueError, match="broken"):
        await run()
    crash = app.crash
    assert crash is not None
    assert crash.sentence.startswith("meterdeck stopped: ValueError in test_ending.py:")
    [name] = os.listdir(tmp_path)
    assert name in crash.sentence
    trace = tmp_path / name
    assert stat.S_IMODE(os.stat(trace).st_mode) == 0o600
    kept = trace.read_text()
    assert "sk_test_planted_key" not in kept
    assert "ValueError: broken with ••••" in kept


def test_a_trace_that_cannot_be_written_is_no_second_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a place for the trace the sentence says so."""
    monkeypatch.setenv("METERDECK_STATE_DIR", "/proc/nowhere")

    crash = Crash.of(ValueError("x"))

    assert "could not be written" in crash.sentence
