"""What the console remembers of its user from one start to the next.

A small JSON file in the state folder, its owner's alone. It is a convenience: one that
cannot be read is begun anew, and one that cannot be written is not.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.settings.replaced_file import read_whole, replace_whole

FILE_NAME = "console.json"
LARGEST = 1_000_000
Remembered = dict[str, object]


class Memory:
    """Values by section, like `columns` or `views`; None as path: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._here: dict[str, Remembered] = {}

    def get(self, section: str) -> Remembered:
        """Return what is remembered of a section; whoever asks checks it."""
        if self._path is not None:
            self._here = _parse(_bytes_of(self._path))
        return dict(self._here.get(section, {}))

    def put(self, section: str, value: Remembered) -> None:
        """Remember a section; what other consoles wrote of other sections stays."""
        if self._path is None:
            self._here[section] = dict(value)
            return
        old = _bytes_of(self._path)
        self._here = {**_parse(old), section: dict(value)}
        text = json.dumps(self._here, indent=1, sort_keys=True, ensure_ascii=False)
        with suppress(MeterdeckError, OSError):  # a full disk stops no console
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.touch(0o600)
            self._path.chmod(0o600)  # also one that an earlier version wrote
            replace_whole(self._path, old, f"{text}\n".encode())


def _bytes_of(path: Path) -> bytes:
    with suppress(MeterdeckError):
        return read_whole(path)
    return b""


def _parse(text: bytes) -> dict[str, Remembered]:
    if len(text) > LARGEST:
        return {}
    try:
        read = json.loads(text) if text else {}
    except ValueError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {name: value for name, value in read.items() if isinstance(value, dict)}
