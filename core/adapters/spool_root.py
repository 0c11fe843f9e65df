"""The directory of a context's spools: a folder a process, and what was put aside."""

from __future__ import annotations

import logging
import os
import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_cursor import read_cursor
from meterdeck.core.adapters.spool_files import (
    PRIVATE,
    is_locked,
    segment,
    segments,
    sync_folder,
    write_all,
)
from meterdeck.core.adapters.spool_records import (
    encode_unsettled,
    read_calls,
    read_unsettled,
)
from meterdeck.core.errors import ConfigError
from meterdeck.core.model.degraded import FoundSpool, Unsettled

_log = logging.getLogger(__name__)
_FOLDER = re.compile(r"(?P<pid>[0-9]+)-[0-9a-f]{12}")
_UNSETTLED = "unsettled.calls"
_WHERE = "library.spool_directory"


@dataclass(frozen=True, slots=True)
class Survey:
    """What waits in a folder; `damaged` bytes hold no whole call."""

    calls: int
    bytes: int
    oldest_at: datetime | None
    damaged: int


def open_root(root: Path) -> None:
    """Make the directory, this user's alone.

    Raises:
        ConfigError: It cannot be made, or is open to others.
    """
    try:
        root.mkdir(0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        raise unusable(root, error) from error
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        problem = f"{root} is open to other users"
        fix = f"run, as its owner: chmod 700 {shlex.quote(str(root))}"
        raise ConfigError(_WHERE, problem, fix)


def unusable(root: Path, error: OSError) -> ConfigError:
    """Return the error of a directory that the system does not let us use."""
    problem = f"{root} cannot be used: {error.strerror}"
    return ConfigError(_WHERE, problem, "name a directory that this process can write")


def adopt_orphans(root: Path) -> list[SpoolFolder]:
    """Take over the folders that dead processes left.

    Raises:
        OSError: The directory cannot be read.
    """
    adopted = []
    for path in folders(root):
        try:
            folder = SpoolFolder.adopt(path)
        except OSError as error:
            # One that cannot be read must not keep the others from being counted.
            _log.warning("spool_not_adopted path=%s error=%s", path, error)
            continue
        if folder is not None:
            adopted.append(folder)
    return adopted


def put_aside(root: Path, unsettled: Unsettled) -> int:
    """Keep a call for an operator; on the disk afterwards. Returns its size in bytes.

    Raises:
        OSError: It could not be written.
    """
    frame = encode_unsettled(unsettled)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(root / _UNSETTLED, flags, PRIVATE)
    try:
        write_all(file, frame)
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(root)
    return len(frame)


def size_put_aside(root: Path) -> int:
    """Return the size of what was put aside, in bytes."""
    try:
        return (root / _UNSETTLED).stat().st_size
    except FileNotFoundError:
        return 0


def found_unsettled(root: Path) -> tuple[Unsettled, ...]:
    """Return what was put aside, oldest first.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = (root / _UNSETTLED).read_bytes()
    except FileNotFoundError:
        return ()
    # A crash between putting aside and noting it puts the same call aside twice.
    calls = {
        (each.call.tenant, each.call.call_id, each.call.kind): each
        for each in read_unsettled(data)
    }
    return tuple(calls.values())


def found_spools(root: Path) -> tuple[FoundSpool, ...]:
    """Return every process's spool under `root` as it stands; changes nothing.

    Raises:
        OSError: The directory cannot be read.
    """
    found = (_found(path) for path in folders(root))
    return tuple(each for each in found if each is not None)


def survey(path: Path) -> Survey:
    """Count what waits in a folder."""
    counted = read_cursor(path).counted
    calls = whole = size = 0
    oldest = None
    for number in segments(path):
        start = counted.offset if number == counted.segment else 0
        if number < counted.segment or (data := _read(path, number)) is None:
            continue
        size += max(0, len(data) - start)
        for placed in read_calls(data, start):
            calls += 1
            whole += placed.end - placed.begin
            oldest = oldest or placed.call.at
    return Survey(calls, size, oldest, size - whole)


def _found(path: Path) -> FoundSpool | None:
    try:
        live = is_locked(path)
        held = survey(path)
    except FileNotFoundError:
        return None  # counted to the end and removed a moment ago
    match = _FOLDER.fullmatch(path.name)
    assert match is not None
    return FoundSpool(
        name=path.name,
        pid=int(match["pid"]),
        live=live,
        calls=held.calls,
        bytes=held.bytes,
        oldest_at=held.oldest_at,
        # A process that lives may be about to write the rest.
        damaged_bytes=0 if live else held.damaged,
    )


def folders(root: Path) -> list[Path]:
    """Return the folders that processes have, or had, under `root`."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return []
    return [root / name for name in sorted(names) if _FOLDER.fullmatch(name)]


def _read(path: Path, number: int) -> bytes | None:
    try:
        return segment(path, number).read_bytes()
    except FileNotFoundError:
        return None  # counted a moment ago
