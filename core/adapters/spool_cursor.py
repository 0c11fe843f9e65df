"""The cursor of a spool folder: how far its calls are counted."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterdeck.core.adapters.spool_files import PRIVATE

CURSOR = "cursor"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND = 99_999_999


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a folder: segment number and offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder is counted.

    Attributes:
        counted: Everything before it is.
        begun: Everything between `counted` and it may be.
        begun_at: The server's time when that was begun.
    """

    counted: Position
    begun: Position
    begun_at: datetime


START = Cursor(Position(0, 0), Position(0, 0), _EPOCH)


def read_cursor(path: Path) -> Cursor:
    """Return how far the folder `path` is counted.

    Where that cannot be read, all of it may be counted, since the file was written.
    """
    try:
        raw = (path / CURSOR).read_bytes()
    except FileNotFoundError:
        return START
    line, _, check = raw.rstrip(b"\n").rpartition(b" ")
    if check != b"%08x" % zlib.crc32(line):
        written = datetime.fromtimestamp((path / CURSOR).stat().st_mtime, UTC)
        return Cursor(Position(0, 0), Position(_BEYOND, 0), written)
    a, b, c, d, ms = map(int, line.split())
    at = _EPOCH + timedelta(milliseconds=ms)
    return Cursor(Position(a, b), Position(c, d), at)


def write_cursor(path: Path, cursor: Cursor) -> None:
    """Write down how far a folder is counted; it is on the disk afterwards.

    Raises:
        OSError: It is not.
    """
    counted, begun = cursor.counted, cursor.begun
    ms = (cursor.begun_at - _EPOCH) // timedelta(milliseconds=1)
    numbers = (counted.segment, counted.offset, begun.segment, begun.offset, ms)
    # Always as long as before: written over the last one in one piece.
    line = b"%08d %010d %08d %010d %014d" % numbers
    file = os.open(path / CURSOR, os.O_WRONLY | os.O_CREAT, PRIVATE)
    try:
        os.pwrite(file, b"%s %08x\n" % (line, zlib.crc32(line)), 0)
        os.fsync(file)
    finally:
        os.close(file)
