"""The scanner: finds what somebody would have left, and costs next to nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import leaks
from tests.support.terminal import Terminal

from meterdeck.core.model.secret import Secret

ROOT = Path(__file__).parents[2]
CANARY = "a-canary-of-this-test"
KEY = b"sk_live_" + b"51Abcdefghijklmnopqrstuv"


@pytest.fixture
def caught() -> Iterator[None]:
    """Plant the canary; nothing is left of it for the scanner after the test."""
    Secret(CANARY)
    yield
    leaks.leaks_of_test((), None)


@pytest.mark.usefixtures("caught")
def test_a_canary_is_found_wherever_a_test_leaves_it(tmp_path: Path) -> None:
    """In captured text, a terminal's bytes, a program's output, and files."""
    plain = f"print('said', {CANARY!r})"
    with Terminal([sys.executable, "-c", plain]) as terminal:
        terminal.wait_end()
    assert len(leaks.leaks_of_test((), None)) == 1

    program = [sys.executable, "-c", plain]
    subprocess.run(program, check=True, capture_output=True)
    assert len(leaks.leaks_of_test((), None)) == 1

    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.csv").write_text(f"a,{CANARY}")
    (tmp_path / "c.toml").write_text(CANARY)  # where a test puts it to be read
    (tmp_path / "password").write_text(f"{CANARY}\n")
    found = leaks.leaks_of_test([("log", f"AUTH {CANARY}")], tmp_path)
    assert [each.partition(":")[0].rpartition("/")[2] for each in found] == [
        "log",
        "x.csv",
    ]
    (tmp_path / "deep" / "x.csv").unlink()


def test_what_looks_like_a_key_is_found_in_files_and_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names the file and a key's first letters; words are no keys."""
    (tmp_path / "key.toml").write_bytes(b"api_key = '" + KEY + b"'")
    (tmp_path / "none.toml").write_bytes(b"task_test_of_all_that_there_is = sk_test_1")

    assert leaks.main([str(tmp_path / "none.toml")]) == 0
    assert leaks.main([str(path) for path in tmp_path.iterdir()]) == 1

    said = capsys.readouterr().err
    assert "key.toml: sk_live_51Ab…" in said
    assert KEY.decode() not in said


def test_nothing_that_looks_like_a_key_is_committed() -> None:
    """Neither in the program, its tests, snapshots and pictures, nor in its docs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        # Of an unpacked sdist nothing says what is committed; CI has a clone.
        pytest.skip("this is no clone")
    files = [str(ROOT / name) for name in listed.stdout.decode().split("\0") if name]

    assert leaks.main(files) == 0
