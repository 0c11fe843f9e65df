"""A real terminal for programs under test: a pseudo-terminal and a screen emulator."""

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
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte
from pyte.screens import Char
from tests.support.leaks import note_process_list, produced
from wcwidth import wcwidth

# Private modes, kitty keys and mode reports: pyte would print parts of them.
_PRIVATE = re.compile(
    r"\x1b\[[?>=<][0-9;]*\$?[a-zA-Z]|\x1b[=>]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)"
)
_UNFINISHED = re.compile(r"\x1b(\[[?>=<0-9;$]*|\][^\x07\x1b]*\x1b?)?\Z")
# The child makes the slave its controlling terminal, so that closing the master
# hangs it up as a lost SSH connection does.
_LAUNCH = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """Run `argv` in a pseudo-terminal and read its screen.

    Attributes:
        received: Every byte the program has written, in order.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = ""
        self._lock = threading.Lock()
        self._shown: dict[int, str] = {}
        self.received = bytearray()
        self._master, slave = pty.openpty()
        self._set_size(columns, rows)
        base = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "XDG_STATE_HOME": os.environ.get("XDG_STATE_HOME", ""),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**base, **(env or {})},
            cwd=cwd,
        )
        os.close(slave)
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        note_process_list(self.process.pid)
        self.close()
        produced(bytes(self.received))

    def _set_size(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, as a window manager does."""
        with self._lock:
            self.screen.resize(rows, columns)
            self._set_size(columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def _read(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if not ready:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.received += data
                self._feed(data)

    def _feed(self, data: bytes) -> None:
        text = self._tail + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        self._tail = unfinished.group() if unfinished else ""
        if unfinished:
            text = text[: unfinished.start()]
        self._stream.feed(_PRIVATE.sub("", text))

    def text(self) -> str:
        """Return the screen's text, a line a row, right-trimmed."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self._lines())

    def _lines(self) -> list[str]:
        """Return the screen's lines; only those that were written to are read anew.

        Who waits looks every 20 ms: all cells of a screen took a quarter of a core.
        """
        columns, rows = self.screen.columns, range(self.screen.lines)
        # An accent at a line's beginning goes to the end of the line above.
        for row in {
            at for each in self.screen.dirty for at in (each, max(each - 1, 0))
        }:
            self._shown[row] = _text_of(self.screen.buffer[row], columns)
        self.screen.dirty.clear()
        return [self._shown[row] for row in rows]

    def colour_at(self, needle: str) -> str:
        """Return the foreground colour of the first cell of `needle` on the screen."""
        with self._lock:
            for row, line in enumerate(self._lines()):
                column = line.find(needle)
                if column >= 0:
                    return str(self.screen.buffer[row][column].fg)
        raise AssertionError(f"{needle!r} is not on the screen:\n{self.text()}")

    def wait_for(
        self, what: str | Callable[[str], bool], *, timeout_s: float = 30.0
    ) -> str:
        """Wait until the screen shows `what`; return the screen.

        Raises:
            AssertionError: It did not within `timeout_s`, or the program ended.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            shown = self.text()
            if what in shown if isinstance(what, str) else what(shown):
                return shown
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout_s} s for {what!r}:\n{shown}")
            self._stop.wait(0.02)

    def send(self, keys: str) -> None:
        """Type `keys`; escape sequences are sent as they are."""
        os.write(self._master, keys.encode())

    def wait_end(self, *, timeout_s: float = 20.0) -> int:
        """Wait until the program has ended; return its exit code."""
        return self.process.wait(timeout_s)

    def hang_up(self) -> None:
        """Close the terminal under the program, as a dropped connection does."""
        self._stop.set()
        self._reader.join()
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End the program if it still runs, and give everything back."""
        if self._master >= 0:
            self.hang_up()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _text_of(line: Mapping[int, Char], columns: int) -> str:
    cells, wide = [], False
    for column in range(columns):
        if wide:  # the cell behind a wide character is a part of it
            wide = False
            continue
        text = line[column].data
        wide = text > "\x7f" and wcwidth(text[0]) == 2
        cells.append(text)
    return "".join(cells)


KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backtab": "\x1b[Z",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "ctrl+s": "\x13",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "backspace": "\x7f",
}
"""What a terminal sends for the keys that are no letters."""
