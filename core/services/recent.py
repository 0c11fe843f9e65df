"""What was asked a moment ago, of those asked for last."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


def make_room(entries: dict[_K, _V], key: _K, most: int) -> None:
    """Forget what was put in longest ago: `key` comes last, of `most` at most."""
    if entries.pop(key, None) is None and len(entries) >= most:
        del entries[next(iter(entries))]


class Recent(Generic[_K, _V]):
    """Remembers values: so many, and each for so long.

    One beyond `most` takes the place of the one that was put in longest ago, so that a
    full one loses one at a time and never everything.

    Args:
        most: Entries that are kept.
        kept_s: Seconds for which one is true.
        clock: In seconds, never going back.
    """

    def __init__(
        self,
        most: int,
        kept_s: float = inf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._kept_s = kept_s
        self._clock = clock
        self._entries: dict[_K, tuple[float, _V]] = {}

    def __len__(self) -> int:
        """Count what is kept, old entries too."""
        return len(self._entries)

    def get(self, key: _K) -> _V | None:
        """Return what was put in, or None where that is gone or too old."""
        found = self._entries.get(key)
        if found is None:
            return None
        put_at, value = found
        if self._clock() - put_at < self._kept_s:
            return value
        del self._entries[key]
        return None

    def put(self, key: _K, value: _V) -> _V:
        """Remember a value; return it."""
        make_room(self._entries, key, self._most)
        self._entries[key] = (self._clock(), value)
        return value
