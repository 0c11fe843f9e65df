"""Looks for secrets in what programs and tests produced.

Every `Secret` that a test makes is a canary: it may stand in the files that the test
itself wrote to be read, and nowhere else. As a command it looks in files for what looks
like a key: `python -m tests.support.leaks FILE…`, in CI over all that is committed.
"""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from meterdeck.core.model.secret import Secret

_PREFIXES = (b"sk_live_", b"rk_live_", b"sk_test_", b"rk_test_", b"whsec_")
# So long that it may be somebody's: ours are made of two pieces, or are shorter.
_KEYLIKE = re.compile(rb"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{20,}")
_LEAST = 10
OWN = {"sandbox.json", "stripe.sqlite3"}
"""Files of a sandbox that hold its own keys: nobody else can read them."""
_LARGEST = 8_000_000
_MADE_TO_BE_SHOWN = ("sk_test_sandbox", "http://", "https://")
"""The sandbox's own key, and addresses of servers that live for one test."""

canaries: set[bytes] = set()
_produced: list[bytes] = []


def produced(text: str | bytes | None) -> None:
    """Note what a test's program wrote; it is looked at when the test is over."""
    if text:
        _produced.append(
            text.encode(errors="replace") if isinstance(text, str) else text
        )


def found_in(data: bytes, *, known: Iterable[bytes] = ()) -> str:
    """Return the beginning of the first secret in `data`; "" where there is none."""
    if any(prefix in data for prefix in _PREFIXES):
        match = _KEYLIKE.search(data)
        if match:
            return f"{match[0][:12].decode()}…"
    for each in known:
        if each in data:
            return f"{each[:4].decode(errors='replace')}… (a canary)"
    return ""


def leaks_of_test(
    sections: Iterable[tuple[str, str]], folder: Path | None
) -> list[str]:
    """Return where a test that is over has left a secret; forgets what it produced."""
    seen = [("printed", data) for data in _produced]
    seen += [(name, text.encode(errors="replace")) for name, text in sections]
    _produced.clear()
    if folder is not None:
        seen += [(str(path), data) for path, data in _files(folder)]
    # A program that a test has print a secret, for meterdeck to read it, is no leak.
    seen = [(name, data) for name, data in seen if data.strip() not in canaries]
    found = ((name, found_in(data, known=canaries)) for name, data in seen)
    return [f"{name}: {what}" for name, what in found if what]


def leaks_of_session(folder: Path) -> list[str]:
    """Return which files of servers and sandboxes that tests share hold a secret.

    Called once, when all tests are over: the folders of tests were looked at with each.
    """
    shared = (each for each in sorted(folder.iterdir()) if not _of_a_test(each))
    files = (file for each in shared if each.is_dir() for file in _files(each))
    found = ((path, found_in(data, known=canaries)) for path, data in files)
    return [f"{path}: {what}" for path, what in found if what]


def _of_a_test(folder: Path) -> bool:
    return folder.name.startswith("test_") or folder.is_symlink()


def note_process_list(root: int) -> None:
    """Note what a process and those below it show everybody: their arguments."""
    try:
        produced(Path(f"/proc/{root}/cmdline").read_bytes())
        below = Path(f"/proc/{root}/task/{root}/children").read_text()
    except OSError:
        return  # it has ended, or there is no such list on this machine
    for child in below.split():
        note_process_list(int(child))


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield what a test has left; not what it wrote for secrets to be read from."""
    for path in folder.rglob("*"):
        if path.suffix in (".toml", ".py") or path.name in OWN:
            continue
        try:
            if (
                not path.is_file()
                or path.is_symlink()
                or path.stat().st_size > _LARGEST
            ):
                continue
            data = path.read_bytes()
        except OSError:
            continue
        if data.strip() not in canaries:
            yield path, data


def watch() -> None:
    """Take every secret for a canary, and note what is read of programs' output."""
    _after(Secret, "__init__", lambda _, made, text: _plant(text))
    _after(pytest.CaptureFixture, "readouterr", lambda read, *_: _both(read))
    _after(subprocess.Popen, "communicate", lambda read, *_, **__: _both(read))


def _plant(text: str) -> None:
    if len(text) >= _LEAST and not text.startswith(_MADE_TO_BE_SHOWN):
        canaries.update(each.encode(errors="replace") for each in _forms(text))


def _forms(text: str) -> set[str]:
    """Return a secret as it is, and as JSON, addresses, HTML and pictures write it."""
    page = html.escape(text)
    return {
        text,
        json.dumps(text)[1:-1],
        quote(text),
        page,
        page.replace(" ", "&#160;"),
    }


def _both(read: Any) -> None:
    for text in read:
        produced(text)


def _after(owner: type, name: str, told: Any) -> None:
    method = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        answer = method(*args, **kwargs)
        told(answer, *args, **kwargs)
        return answer

    setattr(owner, name, wrapped)


def main(names: Iterable[str]) -> int:
    """Look at files; print those with what looks like a key, and return 1 for any."""
    code = 0
    for name in names:
        path = Path(name)
        if path.is_file() and (what := found_in(path.read_bytes())):
            print(f"{name}: {what}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or sys.stdin.read().splitlines()))
