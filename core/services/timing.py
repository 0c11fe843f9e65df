"""The clocks of whoever sends, waits and tries again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _wall() -> datetime:
    return datetime.now(UTC)


def _jitter() -> float:
    return random.random()  # noqa: S311  # no secret


@dataclass(frozen=True, slots=True)
class Timing:
    """What time it is, and how time passes.

    Attributes:
        now: The clock that `until` and events' times are told by; the worker gives
            the Redis server's.
        jitter: A number from 0 to 1, different each time.
    """

    now: Callable[[], datetime] = _wall
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = _jitter
