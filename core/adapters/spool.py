"""A spool folder: calls on local disk that Redis has to be told, each of them once.

One process has a folder at a time, by a lock that ends with the process; what a dead
one leaves is adopted. Calls are appended to segment files. A cursor file says up to
where they are counted, and up to where counting was begun, and when: after a crash the
calls in between may have been counted, which Redis knows as long as it keeps their ids.

Nothing here is thread-safe: one thread does all work on a folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Self
from uuid import uuid4

from meterdeck.core.adapters.spool_cursor import (
    CURSOR,
    START,
    Cursor,
    Position,
    read_cursor,
    write_cursor,
)
from meterdeck.core.adapters.spool_files import (
    LOCK,
    PRIVATE,
    segment,
    segments,
    sync_folder,
    take_lock,
    write_all,
)
from meterdeck.core.adapters.spool_records import Placed, read_calls
from meterdeck.core.model.degraded import SpooledCall

SEGMENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls to count next; `ends` has the position after each.

    Attributes:
        begun_at: When counting them was begun before; None where it was not.
    """

    calls: tuple[SpooledCall, ...]
    ends: tuple[Position, ...]
    begun_at: datetime | None


class SpoolFolder:
    """The calls of one process; from `create` or `adopt` until `close`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._file: int | None = None
        self._sizes = {n: segment(path, n).stat().st_size for n in segments(path)}
        self._cursor = read_cursor(path)
        self._last = max(self._sizes, default=self._cursor.counted.segment)
        self._drop_counted()

    @classmethod
    def create(cls, root: Path) -> Self:
        """Make an empty folder under `root`, this process's own.

        Raises:
            OSError: The disk does not take it.
        """
        name = f"{os.getpid()}-{uuid4().hex[:12]}"
        # Locked before it has the name by which others look for dead ones.
        hidden = root / f".{name}"
        hidden.mkdir(0o700)
        lock = take_lock(hidden)
        assert lock is not None
        write_cursor(hidden, START)
        sync_folder(hidden)
        path = hidden.rename(root / name)
        sync_folder(root)
        return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over the folder of a dead process; None if one has it that lives.

        Raises:
            OSError: It cannot be read.
        """
        try:
            lock = take_lock(path)
        except FileNotFoundError:
            return None  # somebody else has adopted and finished it
        if lock is None:
            return None
        try:
            return cls(path, lock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def size(self) -> int:
        """Bytes of all segments, the counted part of the oldest included."""
        return sum(self._sizes.values())

    def append(self, frames: bytes) -> None:
        """Write encoded calls and return when they are on the disk.

        Raises:
            OSError: They are not; what was written of them was taken back, where the
                disk allowed that much.
        """
        if self._file is None or self._sizes[self._last] >= SEGMENT_BYTES:
            self._begin_segment()
        assert self._file is not None
        try:
            write_all(self._file, frames)
            os.fsync(self._file)
        except OSError:
            self._take_back()
            raise
        self._sizes[self._last] += len(frames)

    def next_batch(self, most: int) -> Batch:
        """Return the next calls to count; after a crash, first those begun before."""
        cursor = self._cursor
        again = cursor.begun > cursor.counted
        found = [
            (placed.call, Position(number, placed.end))
            for number, placed in islice(self._waiting(), most)
            if not again or Position(number, placed.end) <= cursor.begun
        ]
        if again and not found:  # what was begun is damaged, or was counted
            self._move(replace(cursor, begun=cursor.counted))
            return self.next_batch(most)
        return Batch(
            calls=tuple(call for call, _ in found),
            ends=tuple(end for _, end in found),
            begun_at=cursor.begun_at if again else None,
        )

    def begin(self, batch: Batch, at: datetime) -> None:
        """Write down that counting `batch` begins at `at`, before the first is sent."""
        if batch.begun_at is None:
            self._move(replace(self._cursor, begun=batch.ends[-1], begun_at=at))

    def counted(self, until: Position) -> None:
        """Write down that everything before `until` is counted; whole files go."""
        begun = max(self._cursor.begun, until)
        self._move(replace(self._cursor, counted=until, begun=begun))
        self._drop_counted()

    def oldest(self) -> datetime | None:
        """Return when the first call that waits was made; None where none does."""
        for _, placed in self._waiting():
            return placed.call.at
        return None

    def close(self) -> None:
        """Give the folder up; it is removed if nothing waits in it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        try:
            if next(self._waiting(), None) is None:
                self._remove()
        finally:
            os.close(self._lock)

    def _remove(self) -> None:
        for number in self._sizes:
            segment(self.path, number).unlink()
        for name in (CURSOR, LOCK):
            (self.path / name).unlink(missing_ok=True)
        # Not empty where another process locks it just now: that one removes it.
        with suppress(OSError):
            self.path.rmdir()

    def _waiting(self) -> Iterator[tuple[int, Placed]]:
        counted = self._cursor.counted
        for number in sorted(self._sizes):
            start = counted.offset if number == counted.segment else 0
            # Past the size may be what could not be taken back.
            data = segment(self.path, number).read_bytes()[: self._sizes[number]]
            for placed in read_calls(data, start):
                yield number, placed

    def _move(self, cursor: Cursor) -> None:
        write_cursor(self.path, cursor)
        self._cursor = cursor

    def _drop_counted(self) -> None:
        counted = self._cursor.counted
        for number in sorted(self._sizes):
            if number > counted.segment or (
                number == counted.segment and self._is_more(counted)
            ):
                return
            if number == self._last and self._file is not None:
                os.close(self._file)
                self._file = None
            segment(self.path, number).unlink()
            del self._sizes[number]

    def _is_more(self, counted: Position) -> bool:
        if counted.offset == self._sizes[counted.segment]:
            return False
        data = segment(self.path, counted.segment).read_bytes()
        return next(read_calls(data, counted.offset), None) is not None

    def _begin_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._last += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        file = os.open(segment(self.path, self._last), flags, PRIVATE)
        # Not before: a process that may open no file would look for this one for ever.
        self._sizes[self._last] = 0
        try:
            sync_folder(self.path)
        except OSError:
            os.close(file)
            raise
        self._file = file

    def _take_back(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._sizes[self._last])
            os.fsync(self._file)
        except OSError:
            # The end of this file cannot be trusted: the next call begins another.
            os.close(self._file)
            self._file = None
