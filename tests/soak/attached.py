"""A console on a pseudo-terminal, that somebody walks about in."""

from __future__ import annotations

import asyncio
import random
import subprocess
from contextlib import suppress

from tests.soak.world import World
from tests.support.terminal import KEYS, Terminal

from meterdeck.core.model.text import visible

_ROUTES = (
    ("j", "j", "enter", "escape"),
    ("G", "enter", "j", "escape", "g"),
    ("/", "a", "enter", "escape"),
    ("e", "j", "j", "enter", "escape", "escape"),
    ("O", "j", "escape"),
    ("D", "j", "j", "escape"),
    ("H", "j", "escape"),
    ("A", "j", "j", "j", "escape"),
    ("p", "escape"),
    ("c", "j", "escape"),
    ("?", "j", "escape"),
    ("enter", "h", "escape", "escape"),
)
"""Keys that look and change nothing."""
_FASTEST_S, _SLOWEST_S = 0.4, 1.2
"""Opening a list takes half a second on a busy machine: nobody types far ahead."""
_TRIES = 8
_KEPT = 8_000
"""Bytes of what it wrote that are kept for a look at a crash."""


class AttachedConsole:
    """The console, started again after its terminal went away.

    Attributes:
        keys: How many were pressed.
        hung_up: How often its terminal went away.
        codes: How it ended each time.
        resized: How often it got another size.
        crashes: What is known of each end that nobody asked for.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"console {seed}")  # noqa: S311  # no secret
        self._terminal: Terminal | None = None
        self._lock = asyncio.Lock()
        self.keys = self.hung_up = self.resized = 0
        self.codes: list[int] = []
        self.crashes: list[str] = []

    @property
    def pid(self) -> int:
        """The process's; 0 where there is none."""
        terminal = self._terminal
        gone = terminal is None or terminal.process.poll() is not None
        return 0 if gone or terminal is None else terminal.process.pid

    async def run(self) -> None:
        """Walk about until cancelled."""
        await self._start()
        while True:
            for key in self._chance.choice(_ROUTES):
                await asyncio.sleep(self._chance.uniform(_FASTEST_S, _SLOWEST_S))
                async with self._lock:
                    if not self._press(key):
                        await self._start()

    def _press(self, key: str) -> bool:
        """Press a key; tell whether there is a console that takes it."""
        terminal = self._terminal
        if terminal is None or terminal.process.poll() is not None:
            if terminal is not None:
                self.crashes.append(self._last_words(terminal))
                terminal.close()
            self._terminal = None
            return False
        with suppress(OSError):  # it is ending just now
            terminal.send(KEYS.get(key, key))
        del terminal.received[:-_KEPT]  # of hours of it nobody wants to know
        self.keys += 1
        return True

    def _last_words(self, terminal: Terminal) -> str:
        """Tell how it ended, what it showed, and what it wrote last, errors and all."""
        written = visible(terminal.received.decode(errors="replace"), _KEPT)
        code = terminal.process.returncode
        return f"with {code}; it showed:\n{terminal.text()}\nit wrote last:\n{written}"

    async def resize(self, columns: int, rows: int) -> None:
        """Give its terminal another size."""
        async with self._lock:
            if self.pid and self._terminal is not None:
                self._terminal.resize(columns, rows)
                self.resized += 1

    async def hang_up(self) -> None:
        """Take its terminal away, see it end, and start another."""
        async with self._lock:
            terminal, self._terminal = self._terminal, None
            if terminal is not None:
                await asyncio.to_thread(terminal.hang_up)
                self.codes.append(await asyncio.to_thread(terminal.wait_end))
                self.hung_up += 1
            await self._start()

    async def quit(self) -> str:
        """Leave it as a person does; return what was wrong with that, or nothing."""
        async with self._lock:
            terminal, self._terminal = self._terminal, None
            if terminal is None:
                return "there was none"
            shown = terminal.text()
            try:
                for _ in range(_TRIES):
                    terminal.send(KEYS["escape"])
                    await asyncio.sleep(0.5)  # an escape alone, not the start of a key
                    terminal.send("q")
                    with suppress(subprocess.TimeoutExpired, OSError):
                        code = await asyncio.to_thread(terminal.wait_end, timeout_s=15)
                        return f"it ended with {code}" if code else ""
                return (
                    f"it did not end; it showed:\n{shown}\nand now:\n{terminal.text()}"
                )
            finally:
                await asyncio.to_thread(terminal.close)

    async def _start(self) -> None:
        environment = self._world.environment
        self._terminal = await asyncio.to_thread(
            Terminal, self._world.command(), env=environment
        )
