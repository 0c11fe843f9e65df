"""Imports point one way, and nothing heavy is loaded before it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules_after(code: str) -> set[str]:
    """Return the names of all modules loaded by running `code` in a new process."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def core_modules() -> list[str]:
    """Return the dotted name of every module under core/."""
    names = []
    for path in sorted((ROOT / "core").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(p for p in parts if p != "__init__"))
    return names


def test_core_loads_no_terminal_library() -> None:
    """No module of the core brings Textual or Rich in, not even indirectly."""
    code = "\n".join(f"import meterdeck.{name}" for name in core_modules())

    loaded = modules_after(code)

    assert {m for m in loaded if m.split(".")[0] in {"textual", "rich"}} == set()


def test_core_does_not_load_stripe_before_it_is_used() -> None:
    """Importing every module of the core leaves the Stripe SDK unloaded."""
    code = "\n".join(f"import meterdeck.{name}" for name in core_modules())

    assert "stripe" not in modules_after(code)


def test_command_line_starts_light() -> None:
    """The entry point loads no library that costs a tenth of a second."""
    loaded = modules_after("import meterdeck.tui.cli.main")

    heavy = {"textual", "rich", "stripe", "redis", "pydantic", "aiohttp", "asyncio"}
    assert loaded & heavy == set()


@pytest.mark.parametrize("folder", ["core", "tui"])
def test_development_links_are_links(folder: str) -> None:
    """The links used by editable installs are links, not copies."""
    link = ROOT / ".dev" / "meterdeck" / folder

    assert link.is_symlink()
    assert os.readlink(link) == f"../../{folder}"
