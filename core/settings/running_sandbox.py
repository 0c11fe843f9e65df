"""The running sandbox of this user, found by a file that `meterdeck sandbox` keeps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings.private_file import read_private

_WHERE = "context sandbox"
_START = "start one with: meterdeck sandbox"


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Where the running sandbox answers; the key is one it made up itself."""

    stripe_api_base: str
    redis_url: str
    api_key: str = field(repr=False)
    pid: int


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of this user's running state; it need not exist yet."""
    environ = os.environ if environ is None else environ
    if own := environ.get("METERDECK_STATE_DIR"):
        return Path(own)
    base = environ.get("XDG_STATE_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    root = Path(base) if base.startswith("/") else home / ".local" / "state"
    return root / "meterdeck"


def sandbox_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of the file that says where the sandbox is."""
    return state_dir(environ) / "sandbox.json"


def find_sandbox(environ: Mapping[str, str] | None = None) -> RunningSandbox:
    """Return the sandbox that runs now.

    Raises:
        ConfigError: None runs, or its file is not this user's alone.
    """
    path = sandbox_file(environ)
    if not path.exists():
        raise ConfigError(_WHERE, "no sandbox is running", _START)
    found = _parse(path, read_private(path, _WHERE))
    if not _alive(found.pid):
        raise ConfigError(_WHERE, "no sandbox is running", _START)
    return found


def _parse(path: Path, text: str) -> RunningSandbox:
    try:
        content = json.loads(text)
        return RunningSandbox(
            stripe_api_base=str(content["stripe_api_base"]),
            redis_url=str(content["redis_url"]),
            api_key=str(content["api_key"]),
            pid=int(content["pid"]),
        )
    except (ValueError, KeyError, TypeError):
        problem = f"{path} was not written by meterdeck sandbox"
        raise ConfigError(_WHERE, problem, f"remove it; {_START}") from None


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return False  # not this user's process: the number was given away again
    return True
