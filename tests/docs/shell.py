"""The terminals of whoever follows a page: one to type in, others for what stays."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_COLUMNS, _ROWS = 200, 50
_PATIENCE_S = 45.0
_END_S = 5.0
_END = "\x1e"
_ENDED = re.compile(f"{_END}(\\d+){_END}\r?\n")


class _Printed:
    """What arrives at the screen's end of a terminal."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        size = struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""

    def until(self, there: Callable[[], bool], ended: Callable[[], bool]) -> bool:
        """Read until something is there; False: it ended, or took too long."""
        deadline = time.monotonic() + _PATIENCE_S
        while not there():
            over = ended() or time.monotonic() > deadline
            ready, _, _ = select.select([self._master], [], [], 0 if over else 0.2)
            if ready:
                read = self._decoder.decode(os.read(self._master, 65536))
                self.text += read.replace("\r\n", "\n")
            elif over:
                return there()
        return True

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.slave)
        os.close(self._master)


class Shell:
    """One bash for the whole of a page: what is exported stays, and so does the folder.

    Commands have a terminal to print to and nothing to read from.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._printed = _Printed()
        self._last = 0
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-s"],
            stdin=subprocess.PIPE,
            stdout=self._printed.slave,
            stderr=self._printed.slave,
            cwd=folder,
            env=dict(environment),
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed.

        Raises:
            TimeoutError: It does not end.
        """
        assert self._bash.stdin is not None
        self._bash.stdin.write(
            f"(exit {self._last})\n{{ {command}\n}} </dev/null\n"
            f"printf '{_END}%s{_END}\\n' $?\n"
        )
        self._bash.stdin.flush()
        self._printed.text = ""
        self._printed.until(
            lambda: bool(_ENDED.search(self._printed.text)),
            lambda: self._bash.poll() is not None,
        )
        found = _ENDED.search(self._printed.text)
        if found is None:
            raise TimeoutError(f"{command}: does not end; {self._printed.text!r}")
        self._last = int(found[1])
        return self._last, self._printed.text[: found.start()]

    def close(self) -> None:
        """End it."""
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        try:
            self._bash.wait(_END_S)
        except subprocess.TimeoutExpired:  # a command that does not end
            os.killpg(self._bash.pid, signal.SIGKILL)
            self._bash.wait()
        self._printed.close()


class OtherTerminal:
    """A command that stays, in a terminal of its own."""

    def __init__(
        self, command: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._printed = _Printed()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", f"exec {command}"],
            stdin=subprocess.DEVNULL,
            stdout=self._printed.slave,
            stderr=self._printed.slave,
            cwd=folder,
            env=dict(environment),
        )

    @property
    def text(self) -> str:
        """What it has printed."""
        return self._printed.text

    def until(self, there: Callable[[str], bool]) -> bool:
        """Wait until what it printed is as it should be."""
        return self._printed.until(
            lambda: there(self.text), lambda: self._process.poll() is not None
        )

    def interrupt(self) -> int:
        """Press Ctrl-C in it; return how it ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._printed.until(lambda: self._process.poll() is not None, lambda: False)
        return self._process.wait(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.interrupt()
        self._printed.close()
