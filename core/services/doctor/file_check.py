"""Files of this machine: may other users read usage, or write settings?"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from meterdeck.core.model.diagnosis import Verdict, fault, ok
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import Check, Patient, Places

_OTHERS, _OTHERS_WRITE = 0o077, 0o022
_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file or directory that others may use; `right` is the mode it should have."""

    path: Path
    mode: int
    right: int
    ours: bool


def open_files(places: Places) -> list[OpenFile]:
    """Return what other users may use and should not.

    Raises:
        OSError: A directory cannot be read.
    """
    found = []
    for root in filter(None, (places.spool, places.state)):
        inside = islice(_inside(root), _LOOKED_AT)
        found += [each for path in inside if (each := _open(path, _OTHERS))]
    if places.config is not None and (each := _open(places.config, _OTHERS_WRITE)):
        found.append(each)
    return list({each.path: each for each in found}.values())


def _inside(root: Path) -> Iterator[Path]:
    """Yield a directory and what is in it; what links elsewhere is not followed."""
    if not root.is_dir():
        return
    yield root
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def _open(path: Path, forbidden: int) -> OpenFile | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None  # gone in between
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return None
    if not mode & forbidden:
        return None
    return OpenFile(path, mode, mode & ~forbidden, status.st_uid == os.geteuid())


async def _look(patient: Patient) -> Verdict:
    try:
        found = await asyncio.to_thread(open_files, patient.places)
    except OSError as error:
        return fault(
            f"{error.filename} cannot be read: {error.strerror}",
            "run doctor as the applications' user",
        )
    if not found:
        return ok("nobody else may use them")
    first = found[0]
    more = f", and {counted(len(found) - 1, 'more')}" if found[1:] else ""
    return fault(
        f"others may use {visible(str(first.path), 200)} (mode {first.mode:04o}){more}",
        "close them: meterdeck doctor files --fix",
    )


FILES = Check(
    "files",
    "File modes",
    "whether other users may read the spool and this user's state, or write the"
    " configuration",
    "The spool holds tenants' usage, and applications refuse one that is open; who"
    " writes the configuration sends the key where they like.",
    _look,
    asks=frozenset(),
)
