"""Some keys of the database: enough to find what is wrong with many.

Bounded, whatever the database's size: what is found tells how much was looked at.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_text
from meterdeck.core.model.usage import CounterId

MOST_KEYS = 50_000
MOST_COUNTERS = 5_000
_MOST_S = 2.0
_AT_ONCE = 1000
_MOST_STRANGERS = 1000
_PARTS = re.compile(r"[:/|.]")
_LABEL = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class KeySample:
    """What was found.

    Attributes:
        keys: How many keys there are.
        looked_at: How many were looked at.
        fitting: How many of those are counters of the configured layout.
        counters: The first 5,000 of them.
        strangers: Keys that look like counters of another layout, the first 1,000.
        entries: Tenants that have a directory entry, the first 5,000.
    """

    keys: int
    looked_at: int
    fitting: int
    counters: tuple[tuple[bytes, CounterId], ...]
    strangers: tuple[str, ...]
    entries: tuple[bytes, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every counter was looked at."""
        return self.looked_at >= self.keys and self.fitting == len(self.counters)

    def counted(self, number: int) -> str:
        """Return how many counters a finding is drawn from, in words."""
        if self.whole:
            return f"{number:,} counters"
        return f"{number:,} counters looked at, a sample of {self.keys:,} keys,"


async def sample_keys(redis: Redis, context: Context) -> KeySample:
    """Look at keys until all, or enough of them, are seen.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    layout = context.redis.layout
    resources = frozenset(str(each.name) for each in context.resources)
    counters: dict[bytes, CounterId] = {}
    strangers: dict[str, None] = {}
    entries: dict[bytes, None] = {}
    seen, fitting, cursor, until = 0, 0, 0, time.monotonic() + _MOST_S
    with redis_errors():
        count = int(await redis.dbsize())
    while True:
        with redis_errors():
            cursor, found = await redis.scan(cursor, count=_AT_ONCE)
        keys = cast("list[bytes]", found)
        seen += len(keys)
        fitting += _sort(keys, layout, resources, counters, strangers)
        for key in keys:
            name = layout.parse_tenant(key)
            if name is not None and len(entries) < MOST_COUNTERS:
                entries[name] = None
        if cursor == 0 or seen >= MOST_KEYS or time.monotonic() > until:
            break
    looked_at = max(count, seen) if cursor == 0 else seen
    return KeySample(
        keys=max(count, seen),
        looked_at=looked_at,
        fitting=fitting,
        counters=tuple(counters.items()),
        strangers=tuple(strangers),
        entries=tuple(entries),
    )


def _sort(
    keys: Iterable[bytes],
    layout: KeyLayout,
    resources: frozenset[str],
    counters: dict[bytes, CounterId],
    strangers: dict[str, None],
) -> int:
    """Put each key where it belongs; return how many counters there were."""
    fitting = 0
    own = layout.prefix.encode("utf-8", "surrogateescape")
    for key in keys:
        if key.startswith(own):
            continue
        counter = layout.parse_counter(key)
        if counter is not None and not _is_tagged(counter, layout):
            fitting += 1
            if len(counters) < MOST_COUNTERS:
                counters[key] = counter
        elif len(strangers) < _MOST_STRANGERS and (
            counter is not None or _looks_like_one(name_text(key), resources)
        ):
            strangers[name_text(key)] = None
    return fitting


def _is_tagged(counter: CounterId, layout: KeyLayout) -> bool:
    """Tell whether a counter was written by a program with the other tag style."""
    name = counter.tenant
    return not layout.tagged and name[:1] + name[-1:] == "{}"


def _looks_like_one(name: str, resources: frozenset[str]) -> bool:
    parts = _PARTS.split(name)
    return any(part in resources for part in parts) and any(
        _LABEL.fullmatch(part) for part in parts
    )


def chunks(keys: Sequence[bytes], size: int = 500) -> Iterable[Sequence[bytes]]:
    """Yield `keys` in stretches that one round trip may ask for."""
    return (keys[start : start + size] for start in range(0, len(keys), size))
