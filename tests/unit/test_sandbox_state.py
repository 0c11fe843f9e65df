"""The file by which a running sandbox is found."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.sandbox.state import RunningSandbox, announce, state_dir, withdraw
from meterdeck.core.settings.running_sandbox import find_sandbox


def sandbox_of(pid: int, port: int = 1) -> RunningSandbox:
    return RunningSandbox(
        f"http://127.0.0.1:{port}", f"redis://127.0.0.1:{port}/0", "sk_test_x", pid
    )


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"METERDECK_STATE_DIR": str(tmp_path / "state")}


def test_an_announced_sandbox_is_found(environ: dict[str, str]) -> None:
    """What was written is read back while its process lives."""
    announce(sandbox_of(os.getpid()), environ)

    assert find_sandbox(environ) == sandbox_of(os.getpid())


def test_the_file_is_readable_by_its_user_only(environ: dict[str, str]) -> None:
    """It holds a key: mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        announce(sandbox_of(os.getpid()), environ)
    finally:
        os.umask(before)

    (written,) = state_dir(environ).iterdir()
    assert written.name == "sandbox.json"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_a_file_whose_process_is_gone_is_stale(environ: dict[str, str]) -> None:
    """A sandbox that was killed could not remove its file."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    announce(sandbox_of(ended.pid), environ)

    with pytest.raises(ConfigError, match="no sandbox is running"):
        find_sandbox(environ)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "1"}', '{"pid": null}'])
def test_a_file_of_somebody_else_is_left_alone(
    environ: dict[str, str], text: str
) -> None:
    """What is not certainly one's own is not removed."""
    announce(sandbox_of(os.getpid()), environ)
    path = state_dir(environ) / "sandbox.json"
    path.write_text(text)

    withdraw(os.getpid(), environ)

    assert path.read_text() == text


def test_withdrawing_what_was_never_announced_is_no_error(
    environ: dict[str, str],
) -> None:
    """The end of a sandbox never fails on its state file."""
    withdraw(os.getpid(), environ)

    assert not state_dir(environ).exists()


def test_the_last_sandbox_wins_and_only_its_own_file_is_removed(
    environ: dict[str, str],
) -> None:
    """The end of the first sandbox leaves the second one findable."""
    first, second = os.getppid(), os.getpid()
    announce(sandbox_of(first, port=1), environ)
    announce(sandbox_of(second, port=2), environ)

    withdraw(first, environ)
    assert find_sandbox(environ) == sandbox_of(second, port=2)

    withdraw(second, environ)
    assert list(state_dir(environ).iterdir()) == []
