"""Files of a spool: their names, and writing them so that they stay written."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

PRIVATE = 0o600
LOCK = "lock"

_SEGMENT = re.compile(r"([0-9]{8})\.calls")


def segments(path: Path) -> list[int]:
    """Return the numbers of a folder's segment files, oldest first."""
    found = (_SEGMENT.fullmatch(name) for name in os.listdir(path))
    return sorted(int(match[1]) for match in found if match)


def segment(path: Path, number: int) -> Path:
    """Return the path of a segment file."""
    return path / f"{number:08d}.calls"


def take_lock(path: Path) -> int | None:
    """Lock the folder `path` until the returned file is closed, or this process ends.

    None where another process has it, or had it and has removed it.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking another may have finished with the folder.
        if os.path.samestat(os.fstat(lock), (path / LOCK).stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass  # the sentence above says what this means
    os.close(lock)
    return None


def is_locked(path: Path) -> bool:
    """Tell whether a process has the folder `path`; takes nothing away from it."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk.

    Raises:
        OSError: The disk did not take them.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_all(file: int, data: bytes) -> None:
    """Write all of `data`; the system may take it in several pieces.

    Raises:
        OSError: It could not be written; a part of it may be.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
