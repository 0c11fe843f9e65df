"""A terminal at the end of a slow link: what is written arrives later, and by and by.

Models delay, rate and the buffers in between, as a relay does; not TCP's slow start.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Mapping, Sequence

from bench.timed_terminal import TimedTerminal

_BUFFER = 128 * 1024
"""Bytes that sshd and the sockets take before the program has to wait."""
_SLICE_S = 0.005


class SlowTerminal(TimedTerminal):
    """A terminal behind a link.

    Args:
        round_trip_s: All of it passes on the way back: a key and its answer take as
            long together.
        bytes_s: What the link carries.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        round_trip_s: float,
        bytes_s: float,
    ) -> None:
        self._delay_s = round_trip_s
        self._bytes_s = bytes_s
        super().__init__(argv, env=env)

    def __enter__(self) -> SlowTerminal:
        return self

    def _read(self) -> None:
        queued: deque[bytes] = deque()
        travelling: deque[tuple[float, bytes]] = deque()
        held, credit, last = 0, 0.0, time.monotonic()
        while not self._stop.is_set():
            sources = [self._master] if held < _BUFFER else []
            ready, _, _ = select.select(sources, [], [], _SLICE_S)
            if ready:
                data = self._taken()
                if not data:
                    return
                queued.append(data)
                held += len(data)
            now = time.monotonic()
            credit = min(credit + (now - last) * self._bytes_s, 2_000.0)
            last = now
            while queued and credit > 0:
                data = queued.popleft()
                held -= len(data)
                credit -= len(data)
                travelling.append((now + self._delay_s, data))
            while travelling and travelling[0][0] <= now:
                self._deliver(travelling.popleft()[1])

    def _taken(self) -> bytes:
        try:
            return os.read(self._master, 1024)
        except OSError:
            return b""

    def _deliver(self, data: bytes) -> None:
        with self._lock:
            self.received += data
            self._feed(data)
