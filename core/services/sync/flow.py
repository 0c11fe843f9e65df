"""Events on their way: as many at once as can be sent soon, settled in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_GATHER_S = 0.03  # a script call of many costs little more than one of a few


class Settling(Generic[Item]):
    """Gathers what is to be settled, for a moment and while a batch is written.

    Args:
        write: Settles a batch; raises nothing, and keeps what it could not write.
        at_most: Items of one batch.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Awaitable[None]], at_most: int
    ) -> None:
        self._write = write
        self._at_most = at_most
        self._items: list[Item] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many were added and are not settled."""
        return len(self._items)

    def add(self, item: Item) -> None:
        """Settle an item soon."""
        self._items.append(item)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            await self._wake.wait()
            if len(self._items) < self._at_most:
                await asyncio.sleep(_GATHER_S)
            batch = self._items[: self._at_most]
            await self._write(batch)
            del self._items[: len(batch)]
            if not self._items:
                self._wake.clear()
                self._idle.set()

    async def wait(self) -> None:
        """Wait until everything that was added is settled."""
        await self._idle.wait()


class Places:
    """Tasks of which only so many run at once; who has no place waits.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: set[asyncio.Task[Any]] = set()
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many more may begin."""
        return self._count - len(self._tasks)

    @property
    def taken(self) -> int:
        """How many run."""
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def wait_free(self, count: int = 1) -> None:
        """Wait until so many may begin."""
        while self.free < count:
            self._freed.clear()
            await self._freed.wait()

    async def wait_all(self) -> None:
        """Wait until none runs."""
        await self.wait_free(self._count)

    def cancel(self) -> None:
        """Stop all of them where they stand."""
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "delivery_failed", "exception": error}
            )
