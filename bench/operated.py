"""A console under measurement: keys, and what each of them cost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.machine import cpu_ms, memory_mb
from bench.timed_terminal import TimedTerminal

_SETTLED_S = 0.3
"""After so long without a key the detail below has followed the cursor."""
_ROW = re.compile(r"^[▌ ]{2}\S.* (\d{6}) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a key cost.

    Attributes:
        ms: Until the last byte of the frame that answered it.
        written: Bytes of that frame.
        whole: Bytes until everything had followed.
        cpu_ms: Processor time of the program until then.
    """

    ms: float
    written: int
    whole: int
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What a stretch of time cost, a second."""

    bytes_s: float
    cpu_ms_s: float
    memory_mb: float


def press(terminal: TimedTerminal, key: str) -> Cost:
    """Press a key and see the answer through."""
    pid = terminal.process.pid
    before, cpu = len(terminal.received), cpu_ms(pid)
    began = time.monotonic()
    terminal.send(key)
    last = terminal.frame_end(began)
    written = len(terminal.received) - before
    terminal.bytes_over(_SETTLED_S)
    whole = len(terminal.received) - before
    return Cost((last - began) * 1000, written, whole, cpu_ms(pid) - cpu)


def watch(
    terminal: TimedTerminal,
    seconds: int,
    each_second: Callable[[int], None] | None = None,
) -> Watched:
    """Watch for some seconds; `each_second` is called at the start of each."""
    pid = terminal.process.pid
    began, cpu, before = time.monotonic(), cpu_ms(pid), len(terminal.received)
    for second in range(seconds):
        if each_second:
            each_second(second)
        terminal.bytes_over(max(0.0, began + second + 1 - time.monotonic()))
    elapsed = time.monotonic() - began
    written = len(terminal.received) - before
    return Watched(written / elapsed, (cpu_ms(pid) - cpu) / elapsed, memory_mb(pid))


def numbers_shown(screen: str) -> list[int]:
    """Return the numbers of the fleet's tenants in the table, from above."""
    return [int(found) for found in _ROW.findall(screen)]


def under_cursor(screen: str) -> int | None:
    """Return the number of the tenant under the cursor."""
    for line in screen.split("\n"):
        if line.startswith("▌"):
            found = re.search(r" (\d{6}) ", line)
            return int(found.group(1)) if found else None
    return None
