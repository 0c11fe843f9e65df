"""A glance at a context's spools: cheap enough to take every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meterdeck.core.adapters.spool_cursor import read_cursor
from meterdeck.core.adapters.spool_files import is_locked, segment, segments
from meterdeck.core.adapters.spool_records import read_calls
from meterdeck.core.adapters.spool_root import folders, size_put_aside
from meterdeck.core.model.degraded import SpoolSight

_READ_BYTES = 1_000_000
"""Of one process's spool; how many calls the rest holds is reckoned from these."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one process keeps."""

    calls: int
    exact: bool
    bytes: int
    oldest_at: datetime | None
    live: bool


def glance(root: Path, room: int) -> SpoolSight:
    """Look at what waits under `root`; changes nothing.

    Args:
        room: The most that one process may keep, in bytes.

    Raises:
        OSError: It cannot be read.
    """
    parts = [part for path in folders(root) if (part := _part(path)) is not None]
    fullest = max((part.bytes for part in parts if part.live), default=0)
    return SpoolSight(
        calls=sum(part.calls for part in parts),
        exact=all(part.exact for part in parts),
        oldest_at=min((p.oldest_at for p in parts if p.oldest_at), default=None),
        percent=fullest * 100 // max(room, 1),
        ended=sum(not part.live for part in parts),
        put_aside=size_put_aside(root) > 0,
    )


def _part(path: Path) -> _Part | None:
    """Return what a folder holds; None where nothing waits in it."""
    try:
        live = is_locked(path)
        counted = read_cursor(path).counted
        numbers = [each for each in segments(path) if each >= counted.segment]
        sizes = {each: segment(path, each).stat().st_size for each in numbers}
        starts = dict.fromkeys(numbers, 0) | {counted.segment: counted.offset}
        calls = read = 0
        oldest = None
        for number in numbers:
            if read >= _READ_BYTES:
                break
            data = segment(path, number).read_bytes()
            read += max(0, len(data) - starts[number])
            for placed in read_calls(data, starts[number]):
                calls += 1
                oldest = oldest or placed.call.at
    except FileNotFoundError:
        return None  # counted a moment ago
    waiting = sum(max(0, sizes[each] - starts[each]) for each in numbers)
    if not calls:
        return None
    exact = waiting <= read
    reckoned = calls if exact else calls * waiting // read
    return _Part(reckoned, exact, waiting, oldest, live)
