"""The programs of a soak: each started again when it is gone, and measured."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import memory_mb

_END_S = 900.0
"""An application first tells Redis what it kept: on a busy machine that takes long."""
_SAMPLED_S = 1.0
_PAUSE_S = 0.3


@dataclass(eq=False)
class Seat:
    """A place of one process after another, all of the same command.

    Attributes:
        kills: How often somebody ended it.
        ended: How it ended by itself, where nobody had asked it to.
        code: How the last one ended, that was asked to.
        since_s: When the process that is there now was started, by the monotonic clock.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    kills: int = 0
    ended: list[int] = field(default_factory=list)
    code: int | None = None
    since_s: float = 0.0
    _process: asyncio.subprocess.Process | None = None
    _killed: bool = False
    _stopping: bool = False

    @property
    def pid(self) -> int:
        """The process's that is there now; 0 for none."""
        process = self._process
        return process.pid if process and process.returncode is None else 0

    async def keep(self) -> None:
        """Have a process there, until `stop`."""
        while not self._stopping:
            with self.log.open("ab") as log:
                self._killed, self.since_s = False, time.monotonic()
                self._process = await asyncio.create_subprocess_exec(
                    *self.argv,
                    env=dict(self.environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            code = await self._process.wait()
            if self._stopping:
                self.code = code
            elif not self._killed:
                self.ended.append(code)
            await asyncio.sleep(_PAUSE_S)

    def kill(self) -> None:
        """End the process at once, wherever it is."""
        self.signal(signal.SIGKILL)
        self.kills += 1

    def expect_end(self) -> None:
        """Take the end of the process that is there now for no fault of its own."""
        self._killed = True
        self.kills += 1

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to the process that is there."""
        if pid := self.pid:
            self._killed = self._killed or what is signal.SIGKILL
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    async def stop(self) -> None:
        """Ask the process to end, and have no other one."""
        self._stopping = True
        self.signal(signal.SIGTERM)
        process = self._process
        if process is None:
            return
        try:
            self.code = await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            self.code = await process.wait()

    def traced(self) -> bool:
        """Tell whether one of its processes wrote a traceback."""
        return self.log.exists() and b"Traceback (most" in self.log.read_bytes()

    def said(self) -> str:
        """Return the end of what its processes wrote."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment; `at_s` by the monotonic clock."""

    at_s: float
    pid: int
    memory_mb: float
    files: int


@dataclass
class Sampler:
    """Looks at memory and open files of each process, once a second."""

    pids: Callable[[], Mapping[str, int]]
    samples: defaultdict[str, list[Sample]] = field(
        default_factory=lambda: defaultdict(list)
    )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for name, pid in self.pids().items():
                if pid:
                    self._look(name, pid)
            await asyncio.sleep(_SAMPLED_S)

    def _look(self, name: str, pid: int) -> None:
        with suppress(OSError):  # it has just ended
            files = len(os.listdir(f"/proc/{pid}/fd"))
            sample = Sample(time.monotonic(), pid, memory_mb(pid), files)
            self.samples[name].append(sample)


def child_of(pid: int) -> int:
    """Return the first process that a process has started; 0 for none."""
    with suppress(OSError):  # also of 0, which is nobody
        for task in Path(f"/proc/{pid}/task").iterdir():
            for found in (task / "children").read_text().split():
                return int(found)
    return 0
