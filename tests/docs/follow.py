"""Follow a page as it is written, in a home folder of its own."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.docs.pages import Block, Mark, Page
from tests.docs.settings_shown import settings_problem
from tests.docs.shell import OtherTerminal, Shell
from tests.docs.transcript import Step, compare, steps_of, with_names

_AGAIN_S = 1.0
_PATIENCE_S = 45.0
_CLOCK = ("LD_PRELOAD", "CLOCK_AHEAD_S")  # of a machine on another day: CONTRIBUTING
STATE = ".local/state/meterdeck"


def environment_of(home: Path, quick: Mapping[str, str]) -> dict[str, str]:
    """Return what somebody has who has just logged in, and nothing of ours."""
    programs = [str(home / ".venv" / "bin"), str(Path(sys.executable).parent)]
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "NO_COLOR": "1",
        **{name: os.environ[name] for name in _CLOCK if name in os.environ},
        **quick,
    }


def make_home(home: Path, shim: Path, sandbox: Path | None) -> None:
    """Make a home folder, on a machine on which that sandbox runs."""
    programs = home / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "meterdeck").symlink_to(shim)
    python = programs / "python"  # a link would be a Python without our packages
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    if sandbox:
        state = home / STATE
        state.mkdir(mode=0o700, parents=True)
        shutil.copy2(sandbox / STATE / "sandbox.json", state)


class Reader:
    """Somebody who does what a page says, and compares what they see with it."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._learned: dict[str, str] = {}
        self._open = ExitStack()
        self._shell = Shell(home, environment)
        self._others: dict[str, OtherTerminal] = {}
        self.commands = 0

    def follow(self, page: Page) -> None:
        """Do all of it, in its order."""
        try:
            for part in page.parts:
                if isinstance(part, Block):
                    self._do(part)
                elif part.name == "ctrl-c":
                    self._interrupt(part)
        finally:
            self._shell.close()
            for name in reversed(list(self._others)):
                self._others[name].__exit__(None, None, None)

    def _do(self, block: Block) -> None:
        if block.mark("not run") is not None or block.mark("tested by") is not None:
            return
        if (name := block.mark("file")) is not None:
            (self._home / name).parent.mkdir(parents=True, exist_ok=True)
            (self._home / name).write_text(with_names(block.text, self._learned))
        elif (name := block.mark("another terminal")) is not None:
            self._start(name, block)
        elif block.language in ("console", "sh"):
            self._type(block)
        elif block.language == "python":
            self._program(block)
        elif block.language == "toml":
            problem = settings_problem(block.text)
            assert problem is None, f"{block.place}: {problem}"

    def _type(self, block: Block) -> None:
        steps = steps_of(block.text, prompts=block.language == "console")
        for step in steps:
            last = step is steps[-1]
            self._step(block, step, int((last and block.mark("ends with")) or 0))

    def _step(self, block: Block, step: Step, wanted: int) -> None:
        again = block.mark("until") is not None
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self.commands += 1
            command = with_names(step.command, self._learned)
            code, printed = self._shell.run(command)
            fits = step.shown is None or compare(step.shown, printed, self._learned)
            if fits and code == wanted:
                return
            if not again or time.monotonic() > deadline:
                break
            # The page says to look until it is there, and another process makes it so,
            # which tells nobody; the outcome does not depend on how long this is.
            time.sleep(_AGAIN_S)
        place = f"{block.place}: `{command}`"
        if code != wanted:
            pytest.fail(f"{place} ended with {code}\n{printed}", pytrace=False)
        pytest.fail(f"{place} printed\n{printed}\nnot\n{step.shown}", pytrace=False)

    def _program(self, block: Block) -> None:
        path = self._home / "program.py"
        path.write_text(with_names(block.text, self._learned))
        self._step(block, Step(f"python {path.name}", None), 0)

    def _start(self, name: str, block: Block) -> None:
        (step,) = steps_of(block.text)
        self.commands += 1
        command = with_names(step.command, self._learned)
        other = OtherTerminal(command, self._home, self._environment)
        self._others[name] = other
        shown = step.shown or "…"
        assert other.until(lambda text: compare(shown, text, self._learned)), (
            f"{block.place}: `{command}` printed\n{other.text}\nand not\n{shown}"
        )

    def _interrupt(self, mark: Mark) -> None:
        code = self._others[mark.value].interrupt()
        printed = self._others.pop(mark.value)
        printed.__exit__(None, None, None)
        assert code == 0, f"{mark.value} ended with {code}\n{printed.text}"
