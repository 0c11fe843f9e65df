"""The engine's own thread: the screen never waits for the network.

The screen's thread calls `submit`, `focus`, `poke` and `taken`, none of which waits.
What the engine has to say is delivered one piece at a time: the next update is asked
for only when the screen has taken the one before, so nothing queues up while the
screen is busy or its terminal is slow.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import TenantId

if TYPE_CHECKING:
    from textual.message import Message
    from textual.message_pump import MessagePump

    from meterdeck.core.services.engine import Engine
    from meterdeck.core.services.watch import Watch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """The context is read; the servers are being connected."""

    context: Context


@dataclass(frozen=True, slots=True)
class Ended:
    """The engine ended by itself: no settings, or a fault of its own."""

    error: BaseException


Report = Opened | Ended | WatchUpdate
Deliver = Callable[[Report], None]
"""Hands a report to the screen; must be safe to call from another thread."""


class Runtime(Protocol):
    """What the console needs of an engine that runs elsewhere."""

    def start(self, deliver: Deliver) -> None:
        """Begin; reports are delivered from another thread."""

    def taken(self) -> None:
        """Tell that the screen has taken the last update."""

    def submit(
        self, job: Callable[[Engine], Awaitable[T]], *, drained: bool = True
    ) -> Future[T]:
        """Run a job with the engine and return its future.

        Args:
            drained: The end waits for it; not so for what only looks, and for long.
        """

    def focus(self, tenants: Sequence[TenantId]) -> None:
        """Name the tenants that are on the screen."""

    def poke(self) -> None:
        """Ask for the next update now."""

    def drain(self, timeout_s: float) -> None:
        """Wait for submitted jobs, at most `timeout_s`."""

    def stop(self) -> None:
        """End the engine and wait for it, a few seconds at most."""


def tell(
    pump: MessagePump, future: Future[T], message: Callable[[Future[T]], Message]
) -> None:
    """Post a message once there is an answer; at the engine's end there is none."""

    def done(answer: Future[T]) -> None:
        if not answer.cancelled():
            pump.post_message(message(answer))

    future.add_done_callback(done)


class EngineRuntime:
    """An engine in a thread and an event loop of its own.

    Args:
        load: Reads the settings; runs in the engine's thread, after the first paint.
    """

    def __init__(self, load: Callable[[], Context]) -> None:
        self._load = load
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._watch: Watch | None = None
        self._taken = asyncio.Event()
        self._jobs: set[Future[Any]] = set()
        self._focus: Sequence[TenantId] = ()
        self._stopped = threading.Event()

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._thread.start()

    def _run(self) -> None:
        try:
            context = self._load()
            self._deliver(Opened(context))
            asyncio.run(self._serve(context))
        except BaseException as error:  # the thread's last line
            if not self._stopped.is_set():
                self._deliver(Ended(error))

    async def _serve(self, context: Context) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        if self._stopped.is_set():
            return
        # Here, not above: it loads the client libraries, which take as long as
        # Textual does, and the first paint must not wait for them.
        from meterdeck.core.services.engine import Engine  # noqa: PLC0415

        async with Engine(context) as engine:
            self._engine, self._watch = engine, engine.watch()
            async for update in self._watch.updates():
                self._taken.clear()
                self._deliver(update)
                await self._taken.wait()

    def taken(self) -> None:
        self._call(self._taken.set)

    def submit(
        self, job: Callable[[Engine], Awaitable[T]], *, drained: bool = True
    ) -> Future[T]:
        loop, engine = self._loop, self._engine
        if loop is None or engine is None or loop.is_closed():
            refused: Future[T] = Future()
            refused.set_exception(
                RedisUnreachable("not connected yet; nothing was sent, try again")
            )
            return refused

        async def run() -> T:
            return await job(engine)

        future = asyncio.run_coroutine_threadsafe(run(), loop)
        if drained:
            self._jobs.add(future)
            future.add_done_callback(self._jobs.discard)
        return future

    def focus(self, tenants: Sequence[TenantId]) -> None:
        # Waking the other thread costs more than everything else a key does.
        if self._watch is not None and self._focus != tenants:
            self._focus = tenants
            self._call(self._watch.focus, tuple(tenants))

    def poke(self) -> None:
        if self._watch is not None:
            self._call(self._watch.poke)

    def drain(self, timeout_s: float) -> None:
        wait(tuple(self._jobs), timeout_s)

    def stop(self) -> None:
        self._stopped.set()
        if self._main is not None:
            self._call(self._main.cancel)
        if self._thread.is_alive():
            self._thread.join(3.0)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return  # the loop closed in between: the engine has ended
