"""How the program starts: what it imports, what it says without a configuration."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.cli.conftest import METERDECK, CommandLine, Done

from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.model.contract import OURS
from meterdeck.core.settings import load_context
from meterdeck.core.version import VERSION


def bare(tmp_path: Path, *words: str, **environ: str) -> Done:
    """Run the installed program where there is no configuration."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("METERDECK_")}
    done = subprocess.run(
        [METERDECK, *words],
        cwd=tmp_path,
        env={**own, "XDG_CONFIG_HOME": str(tmp_path), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("words", [(), ("tenants",), ("usage", "acme")])
def test_without_a_configuration_demo_and_init_are_named(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Exit code 2 and one sentence, for the console as for commands."""
    done = bare(tmp_path, *words)

    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "`meterdeck demo`" in done.err
    assert "`meterdeck init`" in done.err


def test_a_running_sandbox_is_not_used_by_itself(tmp_path: Path) -> None:
    """Only the name `sandbox`, by flag or variable, leads to it."""
    state = tmp_path / "sandbox.json"
    state.write_text(
        json.dumps(
            {
                "stripe_api_base": "http://127.0.0.1:1",
                "redis_url": "redis://127.0.0.1:1",
                "api_key": "sk_test_sandbox",
                "pid": os.getpid(),
            }
        )
    )
    state.chmod(0o600)
    where = {"METERDECK_STATE_DIR": str(tmp_path)}

    assert bare(tmp_path, "usage", "acme", **where).code == 2
    assert bare(tmp_path, "usage", "a", "--context", "sandbox", **where).code == 3
    assert bare(tmp_path, "usage", "a", METERDECK_CONTEXT="sandbox", **where).code == 3


def test_a_wrong_file_is_told_before_the_console_is_loaded(tmp_path: Path) -> None:
    """The sentence names file and line, and Textual was never imported."""
    (tmp_path / "meterdeck.toml").write_text("[contexts.a\n")
    program = (
        "import sys\nfrom meterdeck.tui.cli.main import main\ncode = main([])\n"
        "print(code, 'textual' in sys.modules, 'pydantic' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "2 False False\n"
    assert "meterdeck.toml: is not valid TOML" in done.stderr
    assert "line 1" in done.stderr


def test_the_console_needs_a_terminal(cli: CommandLine) -> None:
    """In a pipe it says so and ends with 2."""
    done = cli.finished()

    assert done.code == 2
    assert "the console needs a terminal" in done.err


def test_usage_imports_neither_textual_nor_stripe(cli: CommandLine, acme: str) -> None:
    """A script that asks every second does not pay for the console or the SDK."""
    program = (
        "import sys\nfrom meterdeck.tui.cli.main import main\n"
        f"code = main(['usage', 'acme', '--json', '--config', {str(cli.config)!r}])\n"
        "heavy = {'textual', 'rich', 'stripe', 'aiohttp', 'uvicorn', 'starlette'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    answer, verdict = done.stdout.splitlines()
    assert json.loads(answer)["tenant"]["id"] == "acme"
    assert verdict == "0 []"


def test_the_version_is_told_without_loading_anything(tmp_path: Path) -> None:
    """It is the one of the package, and not even argparse is imported for it."""
    program = (
        "import sys\nfrom meterdeck.tui.cli.main import main\n"
        "main(['--version'])\n"
        "print(sorted({'argparse', 're', 'typing'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _with_path(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.splitlines() == [f"meterdeck {VERSION}", "[]"]
    told = bare(tmp_path, "--version", "--json").json
    assert told == bare(tmp_path, "version", "--json").json
    assert (told["meterdeck"], told["contract"]) == (VERSION, OURS)
    assert told["scripts"]["consume"] == script_texts()["consume"].digest
    assert told["libraries"]["stripe"].startswith("16.")


def _with_path(program: str) -> str:
    """Without site no .pth file, and what it imports, is loaded."""
    import meterdeck.tui  # noqa: PLC0415 - where it is, is what is asked

    folder = Path(meterdeck.tui.__path__[0]).parents[1]
    return f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"


def test_init_writes_a_configuration_that_loads(tmp_path: Path) -> None:
    """It is private, and an existing one is replaced only by --force."""
    path = tmp_path / "meterdeck.toml"

    done = bare(tmp_path, "init", "--json")

    assert (done.code, Path(done.json["path"]).resolve()) == (0, path.resolve())
    assert path.stat().st_mode & 0o777 == 0o600
    secrets = {"STAGING_REDIS_PASSWORD": "x", "STAGING_STRIPE_KEY": "rk_test_1"}
    assert load_context(config=path, environ=secrets).name == "staging"
    path.write_text("mine")
    refused = bare(tmp_path, "init")
    assert (refused.code, path.read_text()) == (1, "mine")
    assert refused.err.endswith("exists already; --force replaces it\n")
    assert bare(tmp_path, "init", "--force").code == 0
    assert path.read_text() != "mine"
    assert sorted(tmp_path.iterdir()) == [path]
    assert bare(tmp_path, "init", "no/such/folder.toml").code == 2


def test_colour_is_for_terminals_only(cli: CommandLine, acme: str) -> None:
    """A terminal gets it, NO_COLOR takes it away, a pipe never has it."""
    words = ["usage", "acme", "--config", str(cli.config)]

    assert b"\x1b[34m" in _on_terminal(words, {"TERM": "xterm", "NO_COLOR": ""})
    assert b"\x1b" not in _on_terminal(words, {"TERM": "xterm", "NO_COLOR": "1"})
    assert b"\x1b" not in _on_terminal(words, {"TERM": "dumb", "NO_COLOR": ""})
    assert "\x1b" not in cli.finished("usage", "acme", TERM="xterm", NO_COLOR="").out


def test_bars_are_ascii_where_the_terminal_is(cli: CommandLine, acme: str) -> None:
    """A C locale gets no characters it cannot show, and no traceback."""
    done = cli.finished("usage", "acme", PYTHONIOENCODING="ascii")

    assert done.code == 0
    assert "--------------------  0 %" in done.out


def _on_terminal(words: list[str], environ: dict[str, str]) -> bytes:
    """Return what the program prints on a terminal."""
    terminal, its_end = os.openpty()
    process = subprocess.Popen(
        [METERDECK, *words],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env={**os.environ, **environ},
    )
    os.close(its_end)
    shown = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not read:
            break
        shown += read
    assert process.wait(60) == 0
    os.close(terminal)
    return shown
