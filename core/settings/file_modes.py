"""Which of our files others could read or change, and the command that ends it.

Reads the modes alone, never a file; changes nothing. For the start of a program, which
looks at a few names, and for `doctor`, which looks at all there is.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from meterdeck.core.errors import ConfigError

_OURS = ("sandbox.json", "console.json", "crash-*.txt")
_LOOKED_AT = 10_000
_OTHERS, _OTHERS_WRITE = 0o077, 0o022


@dataclass(frozen=True, slots=True)
class Exposed:
    """A file or folder that is open to others.

    Attributes:
        what: What it is, in a few words.
        problem: Who can do what with it.
        mend: The command that closes it.
        mode: Its permissions now.
        right: Those that it should have.
        ours: Whether its mode is what is wrong, and this user may change it.
    """

    path: Path
    what: str
    problem: str
    mend: str
    mode: int
    right: int
    ours: bool

    def __str__(self) -> str:
        return f"{self.path} ({self.what}) {self.problem}; {self.mend}"


def exposed(
    config: Path | None,
    state: Path | None,
    *,
    spool: Path | None = None,
    whole: bool = False,
) -> tuple[Exposed, ...]:
    """Return what is open to others of the files on this machine; () where nothing is.

    What is not there is not exposed. A configuration may be read by others, for its
    secrets are refused where it can be, but not changed by them: it says where keys
    are sent, and which programs are run.

    Args:
        config: As `find_config()` has it.
        state: The state folder.
        spool: The folder of what waits for Redis; it may be another user's.
        whole: Look at everything inside the folders, 10,000 files at most.

    Raises:
        OSError: A folder cannot be read, and `whole` asks for what is inside.
    """
    found: list[Exposed] = []
    if config is not None:
        found += _look(config, "the configuration", _OTHERS_WRITE)
    if state is not None:
        found += _look(state, "the state folder", _OTHERS)
        for path in _inside(state) if whole else _named(state):
            found += _look(path, "of this user's state", _OTHERS)
    if spool is not None:
        inside = _inside(spool) if whole else ()
        for path in chain((spool,), inside):
            found += _look(path, "usage that waits for Redis", _OTHERS, anybodys=True)
    return tuple({each.path: each for each in found}.values())


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


def _look(
    path: Path, what: str, bits: int, *, anybodys: bool = False
) -> Iterable[Exposed]:
    try:
        status = path.stat()
    except OSError:
        return  # not there, or whoever reads it says what is wrong
    mode, name = stat.S_IMODE(status.st_mode), shlex.quote(str(path))
    ours, right = status.st_uid == os.geteuid(), mode & ~bits
    if not ours and status.st_uid != 0 and not anybodys:
        problem, mend = f"belongs to user {status.st_uid}", f"chown {os.geteuid()}"
        yield Exposed(path, what, problem, f"run: {mend} {name}", mode, mode, False)
    elif mode & bits:
        verb = "change" if mode & bits & _OTHERS_WRITE else "read"
        problem = f"is open to others, who may {verb} it (mode {mode:04o})"
        mend = f"run: chmod {right:o} {name}"
        yield Exposed(path, what, problem, mend, mode, right, ours)


def _named(folder: Path) -> Iterable[Path]:
    try:
        return [path for name in _OURS for path in sorted(folder.glob(name))]
    except OSError:
        return ()


def _inside(root: Path) -> Iterator[Path]:
    """Yield what is in a folder; what links elsewhere is not followed."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    every = (
        Path(folder, name)
        for folder, folders, files in os.walk(root, onerror=refuse)
        for name in (*folders, *files)
    )
    for path in islice(every, _LOOKED_AT):
        if not (path.is_symlink() or path.is_socket()):
            yield path
