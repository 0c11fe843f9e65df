"""Read a file that holds a secret, only where nobody else can (as ssh does)."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from meterdeck.core.errors import ConfigError

_LARGEST = 65_536


def read_private(path: Path, where: str) -> str:
    """Return the text of a file that its owner alone, who is us, can read.

    The check is made on the open file, so it cannot be exchanged in between.

    Raises:
        ConfigError: Missing, unreadable, or open to others; says the chmod to run.
    """
    try:
        # O_NONBLOCK: a named pipe must be refused below, not waited for.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(where, f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as stream:
        check_private(os.fstat(handle), path, where)
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise ConfigError(where, f"{path} is larger than {_LARGEST:,} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConfigError(where, f"{path} is not UTF-8 text") from None


def check_private(status: os.stat_result, path: Path, where: str) -> None:
    """Refuse a file that is not ours, not a file, or that others may read.

    Raises:
        ConfigError: With the command that puts it right.
    """
    name = shlex.quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(where, f"{path} is not a regular file")
    if status.st_uid != os.geteuid():
        raise ConfigError(
            where,
            f"{path} holds a secret and belongs to user {status.st_uid}",
            f"run: chown {os.geteuid()} {name}",
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            where,
            f"{path} holds a secret and others may use it (mode {mode:04o})",
            f"run: chmod 600 {name}",
        )
