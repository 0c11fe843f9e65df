"""Which of our files others could read or change, and the command that ends it.

Reads the modes alone, never a file; changes nothing.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings.running_sandbox import state_dir

_OURS = ("sandbox.json", "console.json", "crash-*.txt")


@dataclass(frozen=True, slots=True)
class Exposed:
    """A file or folder that is open to others.

    Attributes:
        what: What it is, in a few words.
        problem: Who can do what with it.
        mend: The command that closes it.
    """

    path: Path
    what: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path} ({self.what}) {self.problem}; {self.mend}"


def exposed(
    config: Path | None,
    environ: Mapping[str, str] | None = None,
    *,
    spool: Path | None = None,
) -> tuple[Exposed, ...]:
    """Return what is open to others of the files on this machine; () where nothing is.

    For the start of a program and for `doctor`: call it with `find_config()` and
    `spool_directory(context)`. What is not there is not exposed. A configuration may be
    read by others, for its secrets are refused where it can be, but not changed by
    them: it says where keys are sent, and which programs are run.
    """
    state = state_dir(environ)
    found: list[Exposed] = []
    if config is not None:
        found += _look(config, "the configuration", 0o022, "go-w")
    found += _look(state, "the state folder", 0o077, "700")
    for name in _OURS:
        for path in _matching(state, name):
            found += _look(path, "of this user's state", 0o077, "600")
    if spool is not None:
        found += _look(spool, "usage that waits for Redis", 0o077, "700")
    return tuple(found)


def refuse_open_to_all(config: Path) -> None:
    """Refuse a configuration that every user of this machine can change.

    Raises:
        ConfigError: They can; says the chmod to run.
    """
    try:
        mode = config.stat().st_mode
    except OSError:
        return  # whoever reads it says what is wrong
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        raise ConfigError(
            str(config),
            f"every user of this machine may change it (mode {mode & 0o777:04o}), and"
            " with it where keys are sent and which programs are run",
            f"run: chmod o-w {shlex.quote(str(config))}",
        )


def _look(path: Path, what: str, bits: int, wanted: str) -> Iterable[Exposed]:
    try:
        status = path.stat()
    except OSError:
        return
    mode = stat.S_IMODE(status.st_mode)
    name = shlex.quote(str(path))
    if status.st_uid not in (os.geteuid(), 0):
        problem = f"belongs to user {status.st_uid}"
        yield Exposed(path, what, problem, f"run: chown {os.geteuid()} {name}")
    elif mode & bits:
        verb = "change" if mode & bits & 0o022 else "read"
        problem = f"is open to others, who may {verb} it (mode {mode:04o})"
        yield Exposed(path, what, problem, f"run: chmod {wanted} {name}")


def _matching(folder: Path, name: str) -> Iterable[Path]:
    try:
        return sorted(folder.glob(name))
    except OSError:
        return ()
