"""Files that the console writes for its user: never over another one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from meterdeck.core.errors import Refused

_MODE = 0o600  # names of customers are nobody else's business
_NAMES_TRIED = 100


def write_new(folder: Path, stem: str, suffix: str, text: str) -> Path:
    """Write a file that was not there, readable by its owner alone; return its path.

    Raises:
        Refused: It cannot be written; says why.
    """
    folder = folder.absolute()
    _make(folder)
    for number in range(_NAMES_TRIED):
        more = f"-{number + 1}" if number else ""
        path = folder / f"{stem}{more}{suffix}"
        with suppress(FileExistsError):
            _create(path, text)
            return path
    raise Refused(f"{folder} has {_NAMES_TRIED} files by that name; take some away")


def write_as(path: Path, text: str) -> None:
    """Write a file that was not there, readable by its owner alone.

    Raises:
        Refused: It is there already, or cannot be written; says which.
    """
    try:
        _create(path, text)
    except FileExistsError:
        raise Refused(f"{path} is there already; nothing is overwritten") from None


def _create(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        raise
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Refused(f"{path} cannot be written: {error.strerror}") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refused(f"{folder} cannot be written: {error.strerror}") from error


def stem_of(context: str, what: str, at: datetime) -> str:
    """Return a file's name without its ending: context, what it is, when (UTC)."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{context}-{what}").strip(".-")
    return f"meterdeck-{plain}-{at:%Y%m%dT%H%M%SZ}"
