"""A process that has imported everything, and forks workers to be killed.

Starting a Python program that uses Stripe's SDK takes a second; forking one that has
it imported takes milliseconds, and what is forked is a process like any other: SIGKILL
ends it between any two of its instructions.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.wrong_clock import be_wrong_by

from meterdeck.core.model.secret import Secret

ROOT = Path(__file__).parents[2]
_STARTED_S = 30.0
_MAIN = f"from {__name__} import main; main()"

# A pickle holds no secret; workers of ours are to have those of their context.
ForkingPickler.register(Secret, lambda each: (Secret, (each.reveal(),)))


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do; `run` is found by its name in the process.

    It may be a program's main function, which returns the exit code.

    Attributes:
        wrong_s: So many seconds its own clock is ahead.
    """

    run: Callable[..., Coroutine[Any, Any, None] | int]
    arguments: tuple[object, ...]
    wrong_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process is gone; `code` is negative where a signal ended it."""

    pid: int
    code: int


@dataclass(eq=False)
class Worker:
    """A process that was forked.

    Attributes:
        killed: Whether we ended it; it is not known to be gone yet.
        code: How it ended; None while it is not known to have.
    """

    pid: int
    killed: bool = False
    code: int | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        if self.code is None and not self.killed:
            self.killed = True
            os.kill(self.pid, signal.SIGKILL)


class Zygote:
    """Use as `with Zygote("package.module", …)`, and in each test as below.

    `async with zygote.listening(): worker = await zygote.fork(order)`: what was forked
    in the block ends with it.
    """

    def __init__(self, *modules: str, log: Path) -> None:
        self._modules = modules
        self._log = log
        self._workers: dict[int, Worker] = {}
        self._forked: asyncio.Queue[int] = asyncio.Queue()
        self._forking = asyncio.Lock()

    @property
    def complaints(self) -> str:
        """What the processes wrote, such as the traceback of one that failed."""
        return self._log.read_text(errors="replace")

    @property
    def failed(self) -> list[Worker]:
        """Those that ended by themselves, and not well."""
        ended = self._workers.values()
        return [each for each in ended if each.code and not each.killed]

    def __enter__(self) -> Self:
        self._pipe, theirs = Pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(theirs.fileno()), *self._modules],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        theirs.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.wait()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Hear in this event loop what becomes of processes; end them afterwards."""
        loop = asyncio.get_running_loop()
        self._workers, self._forked = {}, asyncio.Queue()
        self._forking = asyncio.Lock()
        loop.add_reader(self._pipe.fileno(), self._heard)
        try:
            yield self
        finally:
            for worker in self._workers.values():
                worker.kill()
            for worker in self._workers.values():
                await worker.gone.wait()
            loop.remove_reader(self._pipe.fileno())

    async def fork(self, order: Order) -> Worker:
        """Start a process and return it; it may be killed from then on."""
        async with self._forking, asyncio.timeout(_STARTED_S):
            self._pipe.send(order)
            pid = await self._forked.get()
        return self._workers[pid]

    def _heard(self) -> None:
        try:
            while self._pipe.poll():
                self._take(self._pipe.recv())
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())

    def _take(self, told: int | Ended) -> None:
        if isinstance(told, int):
            self._workers[told] = Worker(told)
            self._forked.put_nowait(told)
            return
        worker = self._workers[told.pid]
        worker.code = told.code
        worker.gone.set()


def main() -> None:
    """Import, then fork whenever asked to, until nobody asks any more."""
    pipe = Connection(int(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each child's first collection copies everything
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    try:
        while True:
            ready = wait([pipe, wake])
            if wake in ready:
                os.read(wake, 4096)
                _reap(pipe, children)
            if pipe in ready:
                children.add(_fork(pipe, pipe.recv()))
    except (EOFError, OSError):
        pass  # the test is over
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def _fork(pipe: Connection, order: Order) -> int:
    pid = os.fork()
    if not pid:
        pipe.close()
        _work(order)
    pipe.send(pid)
    return pid


def _reap(pipe: Connection, children: set[int]) -> None:
    for pid in tuple(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            pipe.send(Ended(pid, os.waitstatus_to_exitcode(status)))


def _work(order: Order) -> None:
    """Do what the process is for; never returns."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        be_wrong_by(order.wrong_s)
        done = order.run(*order.arguments)
        code = done if isinstance(done, int) else 0
        if not isinstance(done, int):
            asyncio.run(done)
    except BaseException:  # it is the last that happens, and it is written down
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
