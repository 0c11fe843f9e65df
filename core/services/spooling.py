"""Keeping calls on local disk: many callers share one write and one sync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TypeVar

from meterdeck.core.adapters.spool import Batch, SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import (
    adopt_orphans,
    open_root,
    put_aside,
    size_put_aside,
    survey,
    unusable,
)
from meterdeck.core.model.degraded import SpooledCall, SpoolStatus, Unsettled

T = TypeVar("T")


class Kept(Enum):
    """What became of a call that was given to the spool."""

    KEPT = auto()
    FULL = auto()
    FAILED = auto()


class Spool:
    """This process's calls that Redis has to be told, and those of dead processes.

    Belongs to one event loop. Work on the disk is done by one thread, in order.
    """

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root = root
        self._most = most_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="meterdeck-spool")
        self._own: SpoolFolder | None = None
        self._adopted: list[SpoolFolder] = []
        self._pending: list[tuple[bytes, asyncio.Future[Kept]]] = []
        self._pending_bytes = 0
        self._committing: asyncio.Task[None] | None = None
        self._on_disk = self._damaged = self._calls = 0
        self._oldest: datetime | None = None
        self._full = self._failed = self._replayed = self._unsettled = 0
        self.trouble = ""

    @property
    def calls(self) -> int:
        """How many calls wait to be counted."""
        return self._calls

    @property
    def waits(self) -> bool:
        """Whether there is anything to count, or a dead process's folder to give up."""
        return self._calls > 0 or bool(self._adopted)

    @property
    def folders(self) -> tuple[SpoolFolder, ...]:
        """The folders to count from, those of dead processes first."""
        own = () if self._own is None else (self._own,)
        return (*self._adopted, *own)

    async def open(self) -> None:
        """Make this process's folder and adopt those of dead ones.

        Raises:
            ConfigError: The directory cannot be used, or is open to others.
        """
        try:
            await self._do(lambda: open_root(self._root))
            self._own = await self._do(lambda: SpoolFolder.create(self._root))
            await self.adopt()
        except OSError as error:
            await self.close()
            raise unusable(self._root, error) from error
        except BaseException:
            await self.close()
            raise

    async def append(self, call: SpooledCall) -> Kept:
        """Keep a call; when it is KEPT it survives this process and this machine.

        Calls of the same turn of the loop, and those that arrive while the disk is
        busy, share one write and one sync.
        """
        frame = encode(call)
        if self._on_disk + self._pending_bytes + len(frame) > self._most:
            self._full += 1
            return Kept.FULL
        waiter = asyncio.get_running_loop().create_future()
        self._pending.append((frame, waiter))
        self._pending_bytes += len(frame)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        kept: Kept = await waiter
        if kept is Kept.KEPT and self._oldest is None:
            self._oldest = call.at
        return kept

    async def adopt(self) -> None:
        """Take over what dead processes left.

        Raises:
            OSError: The directory cannot be read.
        """
        for folder in await self._do(lambda: adopt_orphans(self._root)):
            self._adopted.append(folder)
            held = await self._do(partial(survey, folder.path))
            self._calls += held.calls
            self._damaged += held.damaged
            if held.oldest_at is not None:
                self._oldest = min(self._oldest or held.oldest_at, held.oldest_at)

    async def next_batch(self, folder: SpoolFolder, most: int) -> Batch:
        """Return the next calls of a folder."""
        return await self._do(lambda: folder.next_batch(most))

    async def begin(self, folder: SpoolFolder, batch: Batch, at: datetime) -> None:
        """Write down that counting `batch` begins.

        Raises:
            OSError: It could not be written down: do not begin.
        """
        await self._do(lambda: folder.begin(batch, at))

    async def settle(
        self,
        folder: SpoolFolder,
        batch: Batch,
        count: int,
        unsettled: Sequence[Unsettled],
    ) -> None:
        """Write down that the first `count` calls of `batch` are done with.

        Raises:
            OSError: It could not be written down; the same batch comes again.
        """

        def work() -> datetime | None:
            for each in unsettled:
                put_aside(self._root, each)
            folder.counted(batch.ends[count - 1])
            times = (each.oldest() for each in self.folders)
            return min((at for at in times if at is not None), default=None)

        self._oldest = await self._do(work)
        self._calls -= count
        self._unsettled += len(unsettled)
        self._replayed += count - len(unsettled)

    async def release_adopted(self) -> None:
        """Give up the folders of dead processes that are counted to the end.

        Raises:
            OSError: One could not be removed.
        """
        for folder in self._adopted[:]:
            if not (await self.next_batch(folder, 1)).calls:
                self._adopted.remove(folder)
                await self._do(folder.close)

    async def close(self) -> None:
        """Write what is pending and give up every folder; what waits stays on disk."""
        try:
            if self._committing is not None:
                await self._committing
            for folder in self.folders:
                with suppress(OSError):  # what is left is adopted by the next process
                    await self._do(folder.close)
        finally:
            self._own, self._adopted = None, []
            self._thread.shutdown(wait=False)

    def status(self) -> SpoolStatus:
        """Return what is kept, and what became of the rest."""
        return SpoolStatus(
            directory=self._root,
            calls=self._calls,
            bytes=self._on_disk,
            most_bytes=self._most,
            oldest_at=self._oldest,
            refused_full=self._full,
            refused_failed=self._failed,
            replayed=self._replayed,
            unsettled=self._unsettled,
            damaged_bytes=self._damaged,
            trouble=self.trouble,
        )

    async def _commit(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                frames = b"".join(frame for frame, _ in batch)
                kept = Kept.FAILED
                try:
                    kept = await self._write(frames)
                finally:
                    self._pending_bytes -= len(frames)
                    self._answer([waiter for _, waiter in batch], kept)
        finally:
            self._committing = None

    def _answer(self, waiters: Sequence[asyncio.Future[Kept]], kept: Kept) -> None:
        if kept is Kept.KEPT:
            self._calls += len(waiters)
        else:
            self._failed += len(waiters)
        for waiter in waiters:
            if not waiter.done():  # its caller has gone
                waiter.set_result(kept)

    async def _write(self, frames: bytes) -> Kept:
        own = self._own
        assert own is not None
        try:
            await self._do(lambda: own.append(frames))
        except OSError as error:
            self.trouble = f"{self._root} cannot be written: {error.strerror}"
            return Kept.FAILED
        return Kept.KEPT

    async def _do(self, work: Callable[[], T]) -> T:
        def measured() -> T:
            try:
                return work()
            finally:
                aside = size_put_aside(self._root)
                self._on_disk = aside + sum(each.size for each in self.folders)

        return await asyncio.get_running_loop().run_in_executor(self._thread, measured)
