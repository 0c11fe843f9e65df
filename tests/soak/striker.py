"""Does to the programs of a soak what was decided."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.soak.attached import AttachedConsole
from tests.soak.processes import Seat, child_of
from tests.soak.striking import MOST_AHEAD_S, TROUBLES, Fault, Plan, Wrong, spared
from tests.soak.world import World
from tests.support import proxy

from meterdeck.core.errors import MeterdeckError

_LEASE_S = 3.0
_CUT = 0.05
_FILLED_S = 5.0


@dataclass
class Striker:
    """One fault after the other.

    Attributes:
        struck: How often, by kind.
        ahead_s: How far Stripe's clock is ahead.
        spare_from_s: From then on, by the monotonic clock, programs whose memory is
            watched are left alone.
    """

    world: World
    seats: Mapping[str, Seat]
    console: AttachedConsole
    seed: int
    spare_from_s: float
    struck: Counter[Wrong] = field(default_factory=Counter)
    detail: Counter[str] = field(default_factory=Counter)
    ahead_s: float = 0.0
    quiet: bool = False

    async def run(self, until_s: float) -> None:
        """Strike until a moment by the monotonic clock, then mend everything."""
        for number, fault in enumerate(Plan(self.seed).faults()):
            await asyncio.sleep(
                max(0.0, min(fault.after_s, until_s - time.monotonic()))
            )
            if time.monotonic() >= until_s:
                break
            if time.monotonic() >= self.spare_from_s and spared(fault):
                continue
            if not self.quiet:
                print(f"{number:4} {fault.what}  {fault.which}", flush=True)
            await self._strike(fault)
            self.struck[fault.what] += 1
            self.detail[f"{fault.what} {fault.which}"] += 1
        await self.mend()

    async def mend(self) -> None:
        """Let nothing go wrong any more."""
        await self.world.until_up()
        for each in (*self.world.proxies.values(), *self.world.doors.values()):
            each.scissors = None
            each.heal()
        await self.world.panel.clear()

    async def _strike(self, fault: Fault) -> None:
        match fault.what:
            case Wrong.WORKER_KILLED | Wrong.APPLICATION_KILLED:
                self.seats[fault.which].kill()
            case Wrong.WORKER_HANGS:
                await self._hang(self.seats[fault.which])
            case Wrong.REDIS_KILLED | Wrong.SANDBOX_KILLED:
                await self._kill_servers(redis_alone=fault.what is Wrong.REDIS_KILLED)
            case Wrong.STRIPE:
                await self._trouble(fault)
            case Wrong.CUTS:
                await self._cut(fault.for_s)
            case Wrong.SILENCE:
                await self._silence(self.world.proxies[fault.which], fault.for_s)
            case Wrong.CLOCK:
                await self._jump(float(fault.which))
            case Wrong.DISK_FULL:
                await self._fill(fault.which)
            case Wrong.HANG_UP:
                await self.console.hang_up()

    async def _hang(self, seat: Seat) -> None:
        seat.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(_LEASE_S + 1)
        finally:
            seat.signal(signal.SIGCONT)

    async def _kill_servers(self, *, redis_alone: bool) -> None:
        sandbox = self.seats["sandbox"]
        redis = child_of(sandbox.pid) if sandbox.pid else 0
        if redis_alone and redis:
            sandbox.expect_end()  # it ends with its Redis
            with suppress(ProcessLookupError):
                os.kill(redis, signal.SIGKILL)
            while child_of(sandbox.pid) == redis:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.05)
        else:
            sandbox.kill()
        await asyncio.sleep(0.5)
        await self.world.until_up()

    async def _trouble(self, fault: Fault) -> None:
        with suppress(MeterdeckError):
            await self.world.panel.change(TROUBLES[fault.which])
            await asyncio.sleep(fault.for_s)
        await self.world.until_up()
        await self.world.panel.clear()

    async def _cut(self, seconds: float) -> None:
        ways = {
            **self.world.proxies,
            **{f"{n} ": d for n, d in self.world.doors.items()},
        }
        for name, each in ways.items():
            seed = hash((self.seed, name, self.struck[Wrong.CUTS]))
            each.scissors = proxy.Scissors(seed, after=_CUT, before=_CUT)
        await asyncio.sleep(seconds)
        for each in ways.values():
            each.scissors = None

    async def _silence(self, way: proxy.Proxy, seconds: float) -> None:
        way.lose_next_answer(proxy.Fault.SILENCE)
        await asyncio.sleep(seconds)
        way.heal()

    async def _jump(self, seconds: float) -> None:
        if self.ahead_s + seconds <= MOST_AHEAD_S:
            self.ahead_s += seconds
            await self.world.panel.advance(seconds)

    async def _fill(self, name: str) -> None:
        """Keep Redis from an application that goes on calling as fast as it can."""
        way = self.world.proxies[name]
        way.lose_next_answer(proxy.Fault.SILENCE)
        await asyncio.sleep(1.0)
        self.seats[name].signal(signal.SIGUSR1)
        await asyncio.sleep(_FILLED_S)
        way.heal()
