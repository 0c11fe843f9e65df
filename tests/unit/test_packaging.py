"""What is shipped is what is in the folders."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED_SUFFIXES = {".py", ".lua", ".tcss", ".typed", ".toml"}
SHARED = {
    "share/man/man1/meterdeck.1",
    "share/bash-completion/completions/meterdeck",
    "lib/systemd/system/meterdeck-sync@.service",
}


def shipped_files() -> set[str]:
    """Return what the wheel has to hold, by its path inside the wheel."""
    return {
        f"meterdeck/{path.relative_to(ROOT)}"
        for folder in ("core", "tui")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in SHIPPED_SUFFIXES
    }


@pytest.mark.timeout(300)
def test_wheel_built_from_the_sdist_holds_every_module(tmp_path: Path) -> None:
    """The wheel made from the source distribution is complete, and has no more."""
    # No build isolation: the suite has to pass with no network once installed.
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )

    [wheel] = tmp_path.glob("*.whl")
    [sdist] = tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        held = {n for n in archive.namelist() if ".dist-info/" not in n}
    assert {n for n in held if ".data/" not in n} == shipped_files()
    shared = {n.partition(".data/data/")[2] for n in held if ".data/" in n}
    assert shared >= SHARED
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert any(n.endswith("/tests/unit/test_packaging.py") for n in names)
    assert any(n.endswith("/config.example.toml") for n in names)


def test_constraints_pin_every_dependency_and_name_no_host() -> None:
    """Every line of constraints.txt is a plain pin; no address is in it."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]

    assert pins
    assert [pin for pin in pins if "==" not in pin or "/" in pin or "@" in pin] == []
