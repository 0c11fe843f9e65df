"""Callers that do nothing but call, and what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

TENANTS = 1_000

Call = Callable[[str, int], Awaitable[bool]]
"""Count `amount` for a tenant; tells whether it was allowed."""


@dataclass(frozen=True, slots=True)
class Load:
    """What some callers got done.

    Attributes:
        slowest_ms: The longest anybody waited: far above `p99_ms` where callers
            starve each other.
        cpu_us: Processor time of this process a call, in µs.
    """

    calls: int
    seconds: float
    p99_ms: float
    slowest_ms: float
    cpu_us: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


def tenant(index: int) -> str:
    """Name the index-th tenant as `redis-benchmark` names it."""
    return f"t{index % TENANTS:012d}"


async def drive(call: Call, *, callers: int, seconds: float) -> Load:
    """Let `callers` call one after another for `seconds`.

    Raises:
        AssertionError: A call was refused; nothing here comes near a limit.
    """
    times: list[float] = []
    cpu, started = time.process_time(), time.perf_counter()
    until = started + seconds

    async def caller(index: int) -> None:
        before = time.perf_counter()
        while True:  # at least once: a mean of no calls is none
            allowed = await call(tenant(index), 1)
            after = time.perf_counter()
            times.append(after - before)
            before = after
            index += callers
            assert allowed, "a call was refused far from its limit"
            if after >= until:
                return

    await asyncio.gather(*(caller(index) for index in range(callers)))
    elapsed = time.perf_counter() - started
    cpu_us = (time.process_time() - cpu) / len(times) * 1e6
    times.sort()
    return Load(
        calls=len(times),
        seconds=elapsed,
        p99_ms=times[len(times) * 99 // 100] * 1e3,
        slowest_ms=times[-1] * 1e3,
        cpu_us=cpu_us,
    )
