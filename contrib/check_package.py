"""Build, look into, install and try what is released; `make package` runs it.

    python contrib/check_package.py dist     builds into dist/, and leaves it there

Both archives are built twice and must be the same to the byte, and so must the wheel
made from the tree and the one made from the source distribution. Each is then installed
in an environment of its own, with nothing of the repository in reach, and used there.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
EPOCH = "1790000000"
PATIENCE_S = 60.0
SUFFIXES = {".py", ".lua", ".tcss", ".typed", ".toml"}
SHARED = {
    "share/man/man1/meterdeck.1",
    "share/bash-completion/completions/meterdeck",
    "share/zsh/site-functions/_meterdeck",
    "share/fish/vendor_completions.d/meterdeck.fish",
    "share/doc/meterdeck/config.example.toml",
    "share/doc/meterdeck/CHANGELOG.md",
    "lib/systemd/system/meterdeck-sync@.service",
}
UNWANTED = re.compile(
    r"__pycache__|\.pyc|node_modules|\.venv|\.pytest_cache|(^|/)\.git/"
)
LIBRARY = """
import asyncio, json, sys
from meterdeck.core.client import MeterClient
async def main():
    async with MeterClient.open(context="sandbox") as meter:
        answer = await meter.consume("package-check", {"api_calls": 3})
        print(json.dumps([answer.allowed, type(answer).__name__]))
asyncio.run(main())
import meterdeck.core
print(meterdeck.core.__file__)
"""


def build(folder: Path, *kinds: str) -> list[Path]:
    """Build and return the archives, oldest name first; no network is needed."""
    subprocess.run(
        [
            *(sys.executable, "-m", "build", "--no-isolation", *kinds),
            *("--outdir", folder, ROOT),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )
    return sorted(folder.iterdir())


def check_same(first: list[Path], second: list[Path]) -> None:
    """End where two builds differ in a byte."""
    for one, other in zip(first, second, strict=True):
        same = one.name == other.name and one.read_bytes() == other.read_bytes()
        assert same, f"{one} and {other} differ"


def check_contents(wheel: Path, sdist: Path) -> None:
    """End where something is missing, or is there and should not be."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        texts = {n: archive.read(n) for n in names}
    shipped = {
        f"meterdeck/{path.relative_to(ROOT)}"
        for folder in ("core", "tui")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in SUFFIXES
    }
    code = {n for n in names if n.startswith("meterdeck/")}
    assert code == shipped, sorted(code ^ shipped)
    shared = {n.partition(".data/data/")[2] for n in names if ".data/data/" in n}
    assert shared == SHARED, sorted(shared ^ SHARED)
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    with tarfile.open(sdist) as tar:
        files = [each for each in tar.getmembers() if each.isfile()]
        for each in files:
            stream = tar.extractfile(each)
            assert stream is not None
            texts[each.name] = stream.read()
    assert any(n.endswith("/tests/unit/test_packaging.py") for n in texts)
    here = str(ROOT).encode() + b"/"
    bad = [n for n, text in texts.items() if UNWANTED.search(n) or here in text]
    assert bad == [], bad


def try_out(archive: Path, folder: Path) -> None:
    """Install an archive in an environment of its own, and use it there."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run(
        [*pip, "--disable-pip-version-check", "-c", ROOT / "constraints.txt", archive],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    environ = {
        "PATH": f"{folder / 'venv/bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "METERDECK_STATE_DIR": str(folder / "state"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    Trial(folder, environ).run()


class Trial:
    """Uses an installed meterdeck from a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.program = str(folder / "venv/bin/meterdeck")

    def run(self) -> None:
        """Ask for what needs no server, then do the rest on a sandbox."""
        version = json.loads(self.output("version", "--json"))
        assert self.output("--version") == f"meterdeck {version['meterdeck']}\n"
        assert "COMMAND" in self.output("--help")
        assert None not in version["libraries"].values(), version
        self.output("init")
        assert "contexts." in self.output("config", "show")
        for name in SHARED:
            assert (self.folder / "venv" / name).is_file(), name
        page = (self.folder / "venv/share/man/man1/meterdeck.1").read_text()
        assert page == self.output("man")
        sandbox = subprocess.Popen(
            [self.program, "sandbox", "--json", "--tenants", "5"],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert sandbox.stdout is not None
            json.loads(sandbox.stdout.readline())
            self.on_the_sandbox()
        finally:
            sandbox.terminate()
            sandbox.wait(PATIENCE_S)

    def on_the_sandbox(self) -> None:
        """Count by the library, ask by the command line, look at the console."""
        python = str(self.folder / "venv/bin/python")
        said = self.output("-I", "-c", LIBRARY, program=python).splitlines()
        assert json.loads(said[0]) == [True, "Decision"], said
        assert said[1].startswith(str(self.folder)), said
        asked = ("usage", "package-check", "--context", "sandbox", "--json")
        [calls] = [
            each["used"]
            for each in json.loads(self.output(*asked))["usage"]
            if each["resource"] == "api_calls"
        ]
        assert int(calls) == 3, calls
        self.console()

    def output(self, *words: str, program: str = "") -> str:
        """Return what a command prints; it must end well."""
        return subprocess.run(
            [program or self.program, *words],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        ).stdout

    def console(self) -> None:
        """Open the console on a terminal, wait for the tenants, and leave it."""
        process, terminal = pty.fork()
        if not process:
            os.chdir(self.folder)
            words = [self.program, "--context", "sandbox"]
            os.execve(self.program, words, self.environ)
        shown, until, asked = b"", time.monotonic() + PATIENCE_S, False
        while time.monotonic() < until:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                shown += os.read(terminal, 65_536)
            except OSError:  # it has ended
                break
            if b"package-check" in shown and not asked:
                asked = os.write(terminal, b"q") == 1
        os.close(terminal)
        assert asked, shown[-2000:]
        assert os.waitpid(process, 0)[1] == 0


def main(out: Path) -> None:
    """Build into `out`, check, and try both ways of installing."""
    with tempfile.TemporaryDirectory(prefix="meterdeck-package-") as name:
        folder = Path(name)
        built = build(folder / "one")
        check_same(built, build(folder / "two"))
        wheel = next(each for each in built if each.suffix == ".whl")
        sdist = next(each for each in built if each.suffix == ".gz")
        from_tree = build(folder / "tree", "--wheel")
        check_same([wheel], from_tree)
        check_contents(wheel, sdist)
        print("built twice, byte for byte the same; contents as they should be")
        for number, archive in enumerate((from_tree[0], wheel)):
            home = folder / str(number)
            home.mkdir()
            try_out(archive, home)
        print("installed and used: the tree's wheel, the source distribution's wheel")
        out.mkdir(exist_ok=True)
        for each in built:
            (out / each.name).write_bytes(each.read_bytes())
            print(out / each.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
