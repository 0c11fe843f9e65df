"""Watching what applications keep on this machine's disk."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.contexts import redis_context
from tests.support.spooled import call

from meterdeck.core.adapters.spool import SEGMENT_BYTES, SpoolFolder
from meterdeck.core.adapters.spool_glance import glance
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import open_root, put_aside
from meterdeck.core.model.degraded import SpoolSight, Unsettled
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import spool_directory

ROOM = 10_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty spool directory."""
    open_root(tmp_path / "spool")
    return tmp_path / "spool"


def test_nothing_is_seen_where_nothing_waits(root: Path) -> None:
    """In an empty directory, and in one that does not exist."""
    nothing = SpoolSight(0, True, None, 0, 0, put_aside=False)

    assert glance(root, ROOM) == nothing
    assert glance(root / "none", ROOM) == nothing


def test_calls_of_every_process_are_seen_with_age_and_room(root: Path) -> None:
    """A process that lives and one that ended."""
    living, dead = SpoolFolder.create(root), SpoolFolder.create(root)
    living.append(encode(call(1)) + encode(call(2)))
    dead.append(encode(call(3)))
    dead.close()
    try:
        seen = glance(root, living.size * 2)
    finally:
        living.close()

    assert (seen.calls, seen.exact, seen.ended) == (3, True, 1)
    assert seen.oldest_at == call(1).at
    assert seen.percent == 50
    assert not seen.put_aside


def test_what_is_counted_already_does_not_wait(root: Path) -> None:
    """The cursor says how far counting has come."""
    folder = SpoolFolder.create(root)
    try:
        folder.append(encode(call(1)) + encode(call(2)))
        folder.counted(folder.next_batch(1).ends[-1])
        assert glance(root, ROOM).calls == 1

        folder.counted(folder.next_batch(1).ends[-1])
        assert glance(root, ROOM).calls == 0
    finally:
        folder.close()


def test_of_a_large_spool_a_part_is_read_and_the_rest_reckoned(root: Path) -> None:
    """Looking every few seconds must not cost what the disk holds."""
    frames = b"".join(encode(call(n)) for n in range(1000, 2000))
    folder = SpoolFolder.create(root)
    try:
        appended = 0
        while appended < 8 * SEGMENT_BYTES:
            folder.append(frames)
            appended += len(frames)
        seen = glance(root, 64 * 2**20)
    finally:
        folder.close()

    assert not seen.exact
    made = appended // len(frames) * 1000
    assert seen.calls == pytest.approx(made, rel=0.01)


def test_calls_put_aside_are_seen(root: Path) -> None:
    """They wait for a person, not for Redis."""
    put_aside(root, Unsettled(call(1), "would pass 2^53"))

    assert glance(root, ROOM).put_aside


async def test_an_update_tells_what_waits_in_the_contexts_directory(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether Redis answers or not."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path))
    context = redis_context(valkey.url)
    open_root(spool_directory(context))
    folder = SpoolFolder.create(spool_directory(context))
    folder.append(encode(call(1)))
    try:
        async with (
            Engine(context) as engine,
            asyncio.timeout(20),
            aclosing(engine.watch().updates()) as updates,
        ):
            async for update in updates:
                if update.spool is not None:
                    break
        assert update.spool is not None
        assert update.spool.calls == 1
    finally:
        folder.close()
