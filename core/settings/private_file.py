"""Read a file that holds a secret, only where nobody else can (as ssh does)."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from meterdeck.core.errors import ConfigError

_LARGEST = 65_536
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, where: str, *, credential: bool = False) -> str:
    """Return the text of a file that its owner alone, who is us, can read.

    The check is made on the open file, so it cannot be exchanged in between.

    Args:
        credential: See `check_private`.

    Raises:
        ConfigError: Missing, unreadable, or open to others; says the chmod to run.
    """
    try:
        # O_NONBLOCK: a named pipe must be refused below, not waited for.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(where, f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as stream:
        check_private(os.fstat(handle), path, where, credential=credential)
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise ConfigError(where, f"{path} is larger than {_LARGEST:,} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConfigError(where, f"{path} is not UTF-8 text") from None


def check_private(
    status: os.stat_result, path: Path, where: str, *, credential: bool = False
) -> None:
    """Refuse a file that is not ours, not a file, or that others may read.

    Args:
        credential: Whether systemd has put it there for this service. Such a file is
            root's, and an access list lets the service's user read it, whose mask
            stands where the group's permissions do.

    Raises:
        ConfigError: With the command that puts it right.
    """
    name = shlex.quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(where, f"{path} is not a regular file")
    if status.st_uid != os.geteuid() and not (credential and status.st_uid == 0):
        raise ConfigError(
            where,
            f"{path} holds a secret and belongs to user {status.st_uid}",
            f"run: chown {os.geteuid()} {name}",
        )
    if status.st_mode & (_OTHERS & ~stat.S_IRGRP if credential else _OTHERS):
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            where,
            f"{path} holds a secret and others may use it (mode {mode:04o})",
            f"run: chmod 600 {name}",
        )
