"""Completion in real shells, and the manual page in real formatters."""

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.cli.conftest import METERDECK, CommandLine

_REQUIRED = bool(os.environ.get("METERDECK_REQUIRE_ALL"))
_BASH = """
source <("$1" completion bash)
COMP_LINE="$2" COMP_POINT="${#2}" _python_argcomplete meterdeck
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = "$argv[1] completion fish | source; complete -C $argv[2]"


def there(program: str) -> str:
    """Return a program's path; skip without it, where that is allowed."""
    found = shutil.which(program)
    if found is None:
        assert not _REQUIRED, f"CI needs {program}"
        # Not everybody who works on this has three shells; CI installs them.
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def shell_environ(cli: CommandLine, tmp_path: Path) -> dict[str, str]:
    """Where the program is found by its name, and its configuration beside it."""
    keep = {"HOME": str(tmp_path), "METERDECK_STATE_DIR": str(tmp_path / "state")}
    path = f"{Path(METERDECK).parent}:{os.environ['PATH']}"
    config = {"METERDECK_CONFIG": str(cli.config), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    return {**os.environ, **keep, **config, "PATH": path}


def asked(shell: str, line: str, environ: dict[str, str]) -> set[str]:
    """Return what a shell's own function offers for the end of a line."""
    script = ["-c", _BASH, "bash"] if shell == "bash" else ["--no-config", "-c", _FISH]
    done = subprocess.run(
        [there(shell), *script, METERDECK, line],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return {each.split("\t")[0].strip() for each in done.stdout.splitlines()}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_offers_commands_options_and_local_names(
    shell: str, cli: CommandLine, shell_environ: dict[str, str]
) -> None:
    """Contexts and resources by the configuration, tenants once they were listed."""
    context = cli("contexts", "--json").json["contexts"][0]["name"]

    assert asked(shell, "meterdeck overr", shell_environ) == {"override"}
    assert asked(shell, "meterdeck override ", shell_environ) >= {"set", "clear"}
    assert "--history" in asked(shell, "meterdeck usage acme --hi", shell_environ)
    assert context in asked(shell, "meterdeck usage --context ", shell_environ)
    assert "api_calls" in asked(shell, "meterdeck reset acme api", shell_environ)
    assert "acme" not in asked(shell, "meterdeck usage ac", shell_environ)
    listing = [METERDECK, "tenants"]
    subprocess.run(listing, env=shell_environ, capture_output=True, check=True)
    assert "acme" in asked(shell, "meterdeck usage ac", shell_environ)


def test_zsh_completes_what_is_typed(shell_environ: dict[str, str]) -> None:
    """On a terminal of its own: Tab finishes the word."""
    zsh = there("zsh")
    process, terminal = pty.fork()
    if not process:
        os.execve(zsh, [zsh, "-f", "-i"], shell_environ)  # noqa: S606 - its own terminal
    try:
        os.write(
            terminal,
            b"autoload -U compinit; compinit -u -D;"
            b" source <(meterdeck completion zsh); echo rea''dy\n",
        )
        _read_until(terminal, b"ready")
        os.write(terminal, b"meterdeck overr\t")
        _read_until(terminal, b"override")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def _read_until(terminal: int, wanted: bytes) -> None:
    shown, until = b"", time.monotonic() + 20
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], until - time.monotonic())
        assert ready, shown
        shown += os.read(terminal, 4096)


def test_the_manual_page_is_clean_and_names_every_command(cli: CommandLine) -> None:
    """Formatters have nothing to say about it; it is there for every command."""
    page = cli("man").out

    done = subprocess.run(
        [there("mandoc"), "-T", "lint", "-W", "warning"],
        input=page,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    for named in (".SS usage TENANT", ".SS override set", ".SS sync", ".SS sandbox"):
        assert named in page
