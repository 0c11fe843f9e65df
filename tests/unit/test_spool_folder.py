"""A spool folder: what it keeps, what it gives out, and what a crash leaves of it."""

import fcntl
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.spooled import call

from meterdeck.core.adapters import spool
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import (
    adopt_orphans,
    found_spools,
    found_unsettled,
    open_root,
    put_aside,
    survey,
)
from meterdeck.core.errors import ConfigError
from meterdeck.core.model.degraded import SpooledCall, SpooledKind, Unsettled

BEGUN = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory for spools."""
    path = tmp_path / "state" / "spool"
    open_root(path)
    return path


@pytest.fixture
def folder(root: Path) -> Iterator[SpoolFolder]:
    """This process's folder."""
    made = SpoolFolder.create(root)
    yield made
    made.close()


def add(folder: SpoolFolder, *numbers: int) -> None:
    """Append calls in one write."""
    folder.append(b"".join(encode(call(number)) for number in numbers))


def waiting(folder: SpoolFolder) -> list[SpooledCall]:
    """Return every call that waits."""
    return list(folder.next_batch(10_000).calls)


def count(folder: SpoolFolder, most: int, done: int) -> None:
    """Take a batch and note that its first `done` calls are counted."""
    batch = folder.next_batch(most)
    folder.begin(batch, BEGUN)
    folder.counted(batch.ends[done - 1])


def after_a_crash(folder: SpoolFolder, tmp_path: Path) -> SpoolFolder:
    """Return what the next process finds if this one died now."""
    left = tmp_path / f"left-{len(os.listdir(tmp_path))}" / folder.path.name
    shutil.copytree(folder.path, left)
    adopted = SpoolFolder.adopt(left)
    assert adopted is not None
    return adopted


def test_calls_are_given_out_in_order_until_they_are_counted(
    folder: SpoolFolder,
) -> None:
    """A batch comes again until it is noted as counted, then the next one does."""
    add(folder, 1, 2, 3)
    add(folder, 4)
    assert folder.next_batch(2).calls == (call(1), call(2))
    assert folder.next_batch(2).calls == (call(1), call(2))

    count(folder, 2, 2)

    assert waiting(folder) == [call(3), call(4)]


def test_counted_files_are_deleted_and_appending_goes_on(folder: SpoolFolder) -> None:
    """Disk space comes back, and nothing counted is given out again."""
    add(folder, 1, 2)
    count(folder, 2, 2)
    assert folder.size == 0
    assert list(folder.path.glob("*.calls")) == []

    add(folder, 3)

    assert waiting(folder) == [call(3)]


def test_full_segments_are_followed_by_others(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches go across files; a file goes when its last call is counted."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 300)
    for number in range(10):
        add(folder, number)
    files = len(list(folder.path.glob("*.calls")))
    assert files > 2

    count(folder, 7, 7)

    assert len(list(folder.path.glob("*.calls"))) < files
    assert waiting(folder) == [call(7), call(8), call(9)]


@pytest.mark.parametrize("done", [1, 3])
def test_a_crash_while_counting_gives_the_same_calls_again_with_the_first_time(
    folder: SpoolFolder, tmp_path: Path, done: int
) -> None:
    """What may have been counted is told from what surely was not."""
    add(folder, 1, 2, 3, 4, 5, 6)
    batch = folder.next_batch(4)
    assert batch.begun_at is None
    folder.begin(batch, BEGUN)
    folder.counted(batch.ends[done - 1])

    left = after_a_crash(folder, tmp_path)

    again = left.next_batch(4)
    assert again.begun_at == BEGUN
    assert list(again.calls) == [call(n) for n in range(1 + done, 5)]
    left.begin(again, BEGUN + timedelta(days=1))  # keeps the first time
    assert left.next_batch(4).begun_at == BEGUN
    left.counted(again.ends[-1])
    assert left.next_batch(4).begun_at is None
    assert waiting(left) == [call(5), call(6)]
    left.close()


def test_a_torn_tail_is_passed_by_and_the_folder_can_be_finished(
    folder: SpoolFolder, tmp_path: Path
) -> None:
    """The unfinished call of a dead process costs nothing but itself."""
    add(folder, 1, 2)
    left = after_a_crash(folder, tmp_path)
    left.close()
    file = next(left.path.glob("*.calls"))
    file.write_bytes(file.read_bytes() + encode(call(3))[:-1])
    assert survey(left.path).damaged == len(encode(call(3))) - 1

    adopted = SpoolFolder.adopt(left.path)
    assert adopted is not None
    assert waiting(adopted) == [call(1), call(2)]
    count(adopted, 2, 2)
    adopted.close()

    assert not left.path.exists()


def test_a_folder_of_nothing_but_a_torn_call_is_removed(
    folder: SpoolFolder, tmp_path: Path
) -> None:
    """It would be adopted for ever."""
    add(folder, 1)
    left = after_a_crash(folder, tmp_path)
    file = next(left.path.glob("*.calls"))
    file.write_bytes(file.read_bytes()[:-1])

    left.close()

    assert not left.path.exists()


def test_a_damaged_cursor_means_that_all_may_have_been_counted(
    folder: SpoolFolder, tmp_path: Path
) -> None:
    """Every call is given out again, as one whose counting was begun."""
    add(folder, 1, 2, 3)
    count(folder, 1, 1)
    (folder.path / "cursor").write_bytes(b"nothing of ours")

    left = after_a_crash(folder, tmp_path)

    batch = left.next_batch(2)
    assert batch.calls == (call(1), call(2))
    assert batch.begun_at is not None
    left.counted(batch.ends[-1])
    assert left.next_batch(2).begun_at is not None
    count(left, 1, 1)
    assert left.next_batch(2).calls == ()
    left.close()


def test_a_write_that_fails_leaves_nothing_behind(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told that it is not kept, so it must not be counted later."""
    add(folder, 1)

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            add(folder, 2)
    add(folder, 3)

    assert waiting(folder) == [call(1), call(3)]


def test_a_segment_that_could_not_be_made_is_not_looked_for(
    folder: SpoolFolder,
) -> None:
    """A process that may open no file for a while replays what it spools after it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            add(folder, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert waiting(folder) == []
    add(folder, 2)
    assert waiting(folder) == [call(2)]
    count(folder, 1, 1)
    assert folder.size == 0


def test_what_could_not_be_taken_back_is_not_given_out(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails a second time, so the refused call is in the file: passed by."""
    add(folder, 1)

    def fail(*arguments: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        broken.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="Input/output"):
            add(folder, 2)
    add(folder, 3)

    assert waiting(folder) == [call(1), call(3)]
    count(folder, 2, 2)
    assert folder.size == 0


def test_a_lock_that_was_removed_while_it_was_taken_is_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finished with the folder in between; this one has nothing."""
    path = root / "1-000000000000"
    path.mkdir()
    lock = fcntl.flock

    def late(file: int, operation: int) -> None:
        (path / "lock").unlink()
        (path / "lock").touch()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)

    assert SpoolFolder.adopt(path) is None


def test_a_living_process_keeps_its_folder(root: Path, folder: SpoolFolder) -> None:
    """Neither this process nor another adopts it."""
    add(folder, 1)
    script = f"""
from pathlib import Path
from meterdeck.core.adapters.spool_root import adopt_orphans, found_spools
root = Path({str(root)!r})
print(len(adopt_orphans(root)), found_spools(root)[0].live)
"""

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.split() == ["0", "True"]
    assert adopt_orphans(root) == []


def test_what_a_dead_process_left_is_adopted_once(root: Path) -> None:
    """The lock ends with the process; the first who comes takes it over."""
    script = f"""
import os
from pathlib import Path
from tests.support.spooled import call
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
SpoolFolder.create(Path({str(root)!r})).append(encode(call(1)))
os._exit(9)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=False, timeout=60
    )
    assert done.returncode == 9
    (found,) = found_spools(root)
    assert (found.live, found.calls) == (False, 1)

    (adopted,) = adopt_orphans(root)

    assert waiting(adopted) == [call(1)]
    assert found_spools(root)[0].live
    assert adopt_orphans(root) == []
    count(adopted, 1, 1)
    adopted.close()
    assert found_spools(root) == ()


def test_a_folder_that_cannot_be_adopted_keeps_no_other_from_it(root: Path) -> None:
    """A directory has the lock's name in one; the other is adopted."""
    (root / "1-000000000000" / "lock").mkdir(parents=True, mode=0o700)
    left = SpoolFolder.create(root)
    add(left, 1)
    left.close()

    (adopted,) = adopt_orphans(root)

    assert adopted.path == left.path
    adopted.close()


def test_files_are_this_users_alone(root: Path, folder: SpoolFolder) -> None:
    """Tenants' names are in them."""
    add(folder, 1)
    put_aside(root, Unsettled(call(1), "why"))

    assert root.stat().st_mode & 0o077 == 0
    for path in root.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_directory_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    """Whoever can write there can bill; the sentence says the chmod to run."""
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o755)  # whatever the umask is

    with pytest.raises(ConfigError, match=r"open to other users.*chmod 700"):
        open_root(path)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="cannot be used: Not a directory"):
        open_root(tmp_path / "file" / "spool")


def test_a_call_that_is_put_aside_twice_is_shown_once(root: Path) -> None:
    """A crash between putting aside and noting it puts it aside again."""
    for number in (1, 2, 1):
        put_aside(root, Unsettled(call(number), "why"))

    assert [each.call for each in found_unsettled(root)] == [call(1), call(2)]


def test_a_call_and_its_release_that_are_put_aside_are_two(root: Path) -> None:
    """They have one id, and an operator has to know of both."""
    release = replace(call(1), kind=SpooledKind.RELEASE)
    for each in (call(1), release):
        put_aside(root, Unsettled(each, "why"))

    assert [each.call for each in found_unsettled(root)] == [call(1), release]
