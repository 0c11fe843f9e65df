"""What is written is its owner's alone, and what is open to others is said."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings import check_start
from meterdeck.core.settings.file_modes import exposed
from meterdeck.tui.crash import Crash
from meterdeck.tui.memory import FILE_NAME, Memory

CONFIG = '[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "redis://h"\n'


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Let new files be open to all unless somebody closes them."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that all may read, which is allowed."""
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    path.chmod(0o644)
    return path


def test_files_that_are_ours_alone_are_not_told_of(
    config: Path, tmp_path: Path
) -> None:
    """Nor what is not there; a readable configuration is no fault by itself."""
    state = tmp_path / "state"
    assert exposed(config, state, spool=tmp_path / "none", whole=True) == ()

    state.mkdir(0o700)
    (state / "sandbox.json").touch(0o600)

    assert exposed(config, state, spool=state, whole=True) == ()


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("c.toml", 0o664, "may change it (mode 0664); run: chmod 644 "),
        ("state", 0o755, "may read it (mode 0755); run: chmod 700 "),
        ("state/console.json", 0o644, "may read it (mode 0644); run: chmod 600 "),
        ("state/sandbox.json", 0o640, "may read it (mode 0640); run: chmod 600 "),
        ("state/crash-1.txt", 0o620, "may change it (mode 0620); run: chmod 600 "),
        ("spool", 0o770, "may change it (mode 0770); run: chmod 700 "),
    ],
)
def test_each_file_that_is_open_to_others_is_told_with_the_chmod(
    config: Path, tmp_path: Path, name: str, mode: int, said: str
) -> None:
    """That one alone; after the chmod nothing is left."""
    for folder in ("state", "spool"):
        (tmp_path / folder).mkdir(0o700)
    path = tmp_path / name
    if not path.exists():
        path.touch(0o600)
    state, spool = tmp_path / "state", tmp_path / "spool"
    path.chmod(mode)

    [found] = exposed(config, state, spool=spool)

    assert said + str(path) in str(found)
    subprocess.run(found.mend.removeprefix("run: ").split(), check=True)
    assert exposed(config, state, spool=spool) == ()


def test_doctor_looks_at_everything_inside_and_follows_no_link(tmp_path: Path) -> None:
    """Segments of a spool, too; a start looks at a few names alone."""
    spool = tmp_path / "spool"
    (spool / "1").mkdir(0o700, parents=True)
    spool.chmod(0o700)
    (spool / "1" / "calls").touch()
    (spool / "1" / "calls").chmod(0o640)
    (spool / "elsewhere").symlink_to("/etc/passwd")

    [found] = exposed(None, None, spool=spool, whole=True)

    assert found.path == spool / "1" / "calls"
    assert (found.mode, found.right, found.ours) == (0o640, 0o600, True)
    assert exposed(None, None, spool=spool) == ()


# No other user can make a folder that belongs to somebody else. CI runs as root.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_state_folder_of_another_user_is_told_of(tmp_path: Path) -> None:
    """Whoever owns it can put another sandbox.json there."""
    os.chown(tmp_path, 12345, -1)

    [found] = exposed(None, tmp_path)

    assert "belongs to user 12345; run: chown 0" in str(found)


def test_a_configuration_that_everybody_can_change_is_refused(config: Path) -> None:
    """It names programs that are run, and where a key is sent."""
    config.chmod(0o646)

    with pytest.raises(ConfigError, match=r"every user .*\(mode 0646\).*chmod o-w "):
        check_start(config=config, environ={})

    config.chmod(0o664)
    assert check_start(config=config, environ={}).context == "a"


@pytest.mark.usefixtures("open_umask")
def test_what_is_kept_of_a_user_is_closed_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state folder, console.json, also one that was open, and a crash's trace."""
    state = tmp_path / "state"
    monkeypatch.setenv("METERDECK_STATE_DIR", str(state))
    memory = Memory(state / FILE_NAME)

    memory.put("look", {"theme": "dark"})
    (state / FILE_NAME).chmod(0o666)
    memory.put("look", {"theme": "light"})
    Crash.of(ValueError("x"))

    modes = {path.name[:6]: mode_of(path) for path in (state, *state.iterdir())}
    assert modes == {"state": 0o700, "consol": 0o600, "crash-": 0o600}
    assert Memory(state / FILE_NAME).get("look") == {"theme": "light"}


def test_whatever_a_command_writes_is_closed_to_others(tmp_path: Path) -> None:
    """Scripts in a folder, say; the umask it was started with was an open one."""
    program = (
        "import os; os.umask(0); from meterdeck.tui.cli.main import main;"
        f"main(['scripts', {str(tmp_path / 'lua')!r}])"
    )

    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    modes = {mode_of(path) for path in (tmp_path / "lua").iterdir()}
    assert modes == {0o600}
    assert exposed(None, tmp_path / "lua", whole=True) == ()


def mode_of(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)
