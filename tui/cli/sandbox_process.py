"""A sandbox as a child process: started, waited for, and ended in any case."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Self

from meterdeck.core.errors import Unreachable
from meterdeck.core.model.text import visible
from meterdeck.core.settings.running_sandbox import RunningSandbox
from meterdeck.tui.cli.sandbox import END_WITH_INPUT

_TICK_S = 0.1
_END_S = 5.0


class SandboxProcess:
    """Run `meterdeck sandbox` beside this program.

    The child ends when the block is left. It also ends by itself when this program
    is killed: its input is a pipe that nobody else holds.

    Args:
        flags: Further flags of `meterdeck sandbox`.
    """

    def __init__(self, flags: Sequence[str]) -> None:
        # -P: no module of the folder we happen to be in may shadow one of ours.
        program = [sys.executable, "-P", "-m", "meterdeck.tui.cli.main", "sandbox"]
        self._command = [*program, "--json", END_WITH_INPUT, *flags]
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  # ourselves, with our flags
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,  # the screen is the console's
            start_new_session=True,  # Ctrl-C is ours, and ends it by way of `stop`
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def ready(self, waiting: Callable[[float], None]) -> RunningSandbox:
        """Wait until the sandbox is ready; tell `waiting` the seconds so far.

        Raises:
            Unreachable: It ended instead; the message says why.
        """
        assert self._process.stdout is not None
        started = time.monotonic()
        while not select.select([self._process.stdout], [], [], _TICK_S)[0]:
            waiting(time.monotonic() - started)
        # The line is written in one piece.
        return self._read(self._process.stdout.readline())

    def stop(self) -> None:
        """End the sandbox and everything it started; harmless when it has ended."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._complaints.close()

    def _read(self, line: bytes) -> RunningSandbox:
        try:
            told = json.loads(line)
            return RunningSandbox(
                stripe_api_base=told["stripe_api_base"],
                redis_url=told["redis_url"],
                api_key=told["api_key"],
                pid=self._process.pid,
            )
        except (ValueError, KeyError, TypeError) as error:
            reason = visible(self._reason(line))
            raise Unreachable(f"the sandbox did not start: {reason}") from error

    def _reason(self, line: bytes) -> str:
        try:
            return str(json.loads(line)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            code = self._process.wait(_END_S)
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip()
        return said.rpartition("\n")[2] or f"it ended with code {code}"
