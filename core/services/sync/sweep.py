"""The sweep: goes through all counters, again and again, and so finds every one.

The index of changes tells at once who used something through meterdeck's scripts. What
another program counted with plain INCR, what was counted in a period that is over, and
what a dead worker left are found here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import CounterId, TenantId

_AT_ONCE = 1000
_FIRST_SHARE = 0.5  # of a core, until every counter was seen once
_LONGEST_PAUSE_S = 2.0


class CounterKeys:
    """Counters by SCAN, a thousand keys a step."""

    def __init__(
        self, redis: Redis, layout: KeyLayout, is_mine: Callable[[TenantId], bool]
    ) -> None:
        self._redis = redis
        self._layout = layout
        self._is_mine = is_mine
        self._cursor = 0
        self.rounds = 0
        """How often all keys were gone through."""

    def begin(self) -> None:
        """Begin anew."""
        self._cursor = 0

    @property
    def at_the_first(self) -> bool:
        """Whether the next step begins a round."""
        return self._cursor == 0

    async def some(self) -> list[CounterId]:
        """Return this worker's counters among the next keys; more than once, maybe.

        Raises:
            RedisUnreachable, RedisRefused: The next call goes on where it stopped.
        """
        with redis_errors():
            self._cursor, keys = await self._redis.scan(
                self._cursor, match=self._layout.counter_glob(), count=_AT_ONCE
            )
        if self._cursor == 0:
            self.rounds += 1
        found = map(self._layout.parse_counter, cast("list[bytes]", keys))
        return [
            each for each in found if each is not None and self._is_mine(each.tenant)
        ]


class SweepPace:
    """Keeps the sweep to its share of a processor core.

    Args:
        share: Of one core, 0 to 1.
        rest_s: Seconds between two whole sweeps.
    """

    def __init__(self, share: float, rest_s: float) -> None:
        self._share = share
        self._rest_s = rest_s
        self._began = 0.0

    def step_begins(self) -> None:
        """Note what was spent so far."""
        self._began = time.thread_time()

    def pause_s(self, rounds: int, *, through: bool) -> float:
        """Return how long to wait after a step.

        Args:
            rounds: Whole sweeps so far.
            through: Whether this step ended one.
        """
        if through:
            return self._rest_s
        share = self._share if rounds else max(self._share, _FIRST_SHARE)
        spent_s = time.thread_time() - self._began
        return min(spent_s * (1 / share - 1), _LONGEST_PAUSE_S)
