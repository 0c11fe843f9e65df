"""The machine measured on: cores, processor time, memory, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


@contextmanager
def on_core(index: int) -> Iterator[None]:
    """Keep this process, and those it starts, on one core; Linux with ≥ 2 only."""
    if not can_pin():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core(index)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(pid: int, index: int) -> None:
    """Move another process to one core, where that is possible."""
    if can_pin():
        os.sched_setaffinity(pid, {core(index)})


def core(index: int) -> int:
    """Return the system's number of the index-th core we may use."""
    cores = sorted(_ALLOWED)
    return cores[index % len(cores)]


def can_pin() -> bool:
    """Tell whether server and client can have a core each."""
    return len(_ALLOWED) >= 2


# Read before anything is pinned: afterwards the answer is the one core.
_ALLOWED = frozenset(
    os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
)


def cpu_ms(pid: int) -> float:
    """Return processor time used by a process's live threads, in ms.

    Returns 0 where the system does not say.
    """
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # the thread has just ended
            total += int(thread.read_text().split()[0])
    return total / 1e6


def memory_mb(pid: int) -> float:
    """Return the memory a process holds, in MB; 0 where the system does not say."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def versions(*packages: str) -> str:
    """Return Python's version and those of `packages`, for a section's note."""
    named = [f"{name} {version(name)}" for name in packages]
    return ", ".join([f"Python {platform.python_version()}", *named])


def taken_on() -> str:
    """Return the day and the kind of machine; nothing that names the machine."""
    day = datetime.now(UTC).date().isoformat()
    cores = len(_ALLOWED) or os.cpu_count() or 1
    return f"{day}, {platform.system()} {platform.machine()}, {cores} cores"


def program_version(argv: Sequence[str]) -> str:
    """Return the first version number a program prints; empty if it is absent."""
    if shutil.which(argv[0]) is None:
        return ""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    words = done.stdout.replace("=", " ").split()
    return next((word for word in words if word[:1].isdigit() and "." in word), "")
