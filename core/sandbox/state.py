"""The file by which a running sandbox is found: written at its start, then removed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from meterdeck.core.settings.running_sandbox import (
    RunningSandbox,
    sandbox_file,
    state_dir,
)

__all__ = ["RunningSandbox", "announce", "state_dir", "withdraw"]

_PRIVATE_DIR = 0o700


def announce(running: RunningSandbox, environ: Mapping[str, str] | None = None) -> None:
    """Write the state file: whole or not at all, readable by this user only.

    A sandbox that was announced before is replaced; it keeps running.

    Raises:
        OSError: The folder cannot be written.
    """
    path = sandbox_file(environ)
    path.parent.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
    # mkstemp makes the file 0600, whatever the umask is.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(running), file)
            file.write("\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def withdraw(pid: int, environ: Mapping[str, str] | None = None) -> None:
    """Remove the state file if it is still that of process `pid`."""
    path = sandbox_file(environ)
    if _announced_pid(path) == pid:
        with suppress(OSError):  # gone or locked: a stale file is told by its pid
            path.unlink()


def _announced_pid(path: Path) -> int | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    pid = content.get("pid") if isinstance(content, dict) else None
    return pid if type(pid) is int else None
