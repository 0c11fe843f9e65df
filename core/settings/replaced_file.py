"""Read a file whole, and replace it whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from meterdeck.core.errors import BadInput, Refused

_PRIVATE = 0o600


def read_whole(path: Path) -> bytes:
    """Return what a file holds; nothing where there is none.

    Raises:
        BadInput: It cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def replace_whole(path: Path, old: bytes, new: bytes) -> None:
    """Put `new` in place of a file that holds `old`, with the mode it has.

    A file that was not there is made for its owner alone. After a crash there is the
    old file or the new one.

    Raises:
        Refused: It holds something else by now.
        BadInput: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _PRIVATE
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(new)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            if read_whole(path) != old:
                raise Refused(f"{path} was changed meanwhile; nothing was written")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
