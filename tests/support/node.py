"""Node.js programs of the tests: their modules installed once, then run."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_INSTALL = (
    "npm",
    "install",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--prefer-offline",
)
_INSTALL_TIMEOUT_S = 110
_RUN_TIMEOUT_S = 60


@dataclass(frozen=True)
class Finished:
    """What a program left: exit code, what it printed, what it complained."""

    code: int
    out: str
    err: str


def node_modules(folder: Path) -> None:
    """Install the modules of `package.json`, unless they already are.

    Skips the test where Node.js is missing; fails it if METERDECK_REQUIRE_ALL is 1.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("METERDECK_REQUIRE_ALL") == "1":
            pytest.fail("node and npm are not on PATH and METERDECK_REQUIRE_ALL is 1")
        # A contributor without Node.js can run all the rest; CI cannot pass without.
        pytest.skip("node and npm are not on PATH")
    wanted = hashlib.sha256((folder / "package.json").read_bytes()).hexdigest()
    with _one_process_at_a_time(folder):
        _install(folder, wanted)


@contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"meterdeck-npm-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(folder: Path, wanted: str) -> None:
    # Beside the modules: whoever removes them removes the mark, too.
    mark = folder / "node_modules" / ".meterdeck-installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    done = subprocess.run(
        _INSTALL,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"npm install failed in {folder}:\n{done.stderr}")
    mark.write_text(wanted)


async def run_node(program: Path, environment: Mapping[str, str]) -> Finished:
    """Run a program to its end; one that hangs is killed and fails the test."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(program),
        cwd=program.parent,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_RUN_TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        pytest.fail(f"{program.name} did not end within {_RUN_TIMEOUT_S} s")
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())
