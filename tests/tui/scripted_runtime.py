"""An engine's place in the console, fed by the test.

The console's seam is its `Runtime`: here updates are pushed by the test and jobs run
at once, on an engine that remembers what it was asked.
"""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from tests.tui.scripted_engine import ScriptedEngine

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.runtime import Deliver, Ended, Opened

T = TypeVar("T")


class ScriptedRuntime:
    """An engine's place in the console, fed by the test."""

    def __init__(
        self, context: Context | None, *updates: WatchUpdate, failure: Any = None
    ) -> None:
        self.engine = ScriptedEngine()
        self.context = context
        self.focused: tuple[TenantId, ...] = ()
        self.consumed = 0
        self.pokes = 0
        self._updates = updates
        self._failure = failure
        self._deliver: Deliver | None = None

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        if self._failure is not None:
            deliver(Ended(self._failure))
        if self.context is not None:
            deliver(Opened(self.context))
        for one in self._updates:
            deliver(one)

    def push(self, one: WatchUpdate) -> None:
        """Deliver one more update."""
        assert self._deliver is not None
        self._deliver(one)

    def taken(self) -> None:
        self.consumed += 1

    def submit(
        self, job: Callable[[Any], Awaitable[T]], *, drained: bool = True
    ) -> Future[T]:
        future: Future[T] = Future()
        coroutine = cast("Any", job(cast("Any", self.engine)))
        try:
            coroutine.send(None)  # a scripted engine never waits
        except StopIteration as end:
            future.set_result(end.value)
        except MeterdeckError as error:
            future.set_exception(error)
        else:
            raise AssertionError("a scripted engine waited")
        return future

    def focus(self, tenants: Sequence[TenantId]) -> None:
        self.focused = tuple(tenants)

    def poke(self) -> None:
        self.pokes += 1

    def drain(self, timeout_s: float) -> None:
        return

    def stop(self) -> None:
        return
