"""The scanner: finds what somebody would have left, and costs next to nothing."""

import html
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

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


@pytest.mark.usefixtures("caught")
@pytest.mark.parametrize(
    "name",
    [
        "worker.log", "crash-1.txt", "screen.svg", "tenants.csv", "tenants.json",
        "handoff.md", "state/console.json", "spool/1/calls",
    ],
)  # fmt: skip
def test_a_planted_key_is_found_in_each_kind_of_file(tmp_path: Path, name: str) -> None:
    """Of a test and of the whole run; as a picture or JSON writes it, too."""
    odd = 'a key/with "odd" letters'
    Secret(odd)
    path = tmp_path / "shared0" / name
    path.parent.mkdir(parents=True)
    for planted in (
        KEY, CANARY.encode(), b"x " + html.escape(odd).replace(" ", "&#160;").encode(),
        json.dumps({"reason": odd}).encode(), quote(odd).encode(),
    ):  # fmt: skip
        path.write_bytes(b"before\n" + planted + b" after")
        for found in (
            leaks.leaks_of_test((), tmp_path),
            leaks.leaks_of_session(tmp_path),
        ):
            assert [each.partition(":")[0] for each in found] == [str(path)], planted
    (tmp_path / "shared0").rename(tmp_path / "test_of_one0")
    assert leaks.leaks_of_session(tmp_path) == []  # looked at with its test
    for each in tmp_path.rglob(path.name):
        each.unlink()


@pytest.mark.usefixtures("caught")
def test_a_planted_key_is_found_in_the_process_list() -> None:
    """Of the program in a terminal, and of what that has started."""
    idle = "import sys; print('there'); sys.stdin.read()"
    program = f"import subprocess, sys; subprocess.run({[sys.executable, '-c', idle]!r}"
    with Terminal([sys.executable, "-c", f"{program} + [{CANARY!r}])"]) as terminal:
        terminal.wait_for("there")

    assert len(leaks.leaks_of_test((), None)) == 2


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
