"""Does to the programs of a soak what was decided."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from zlib import crc32

from tests.soak.attached import AttachedConsole
from tests.soak.processes import Seat, child_of
from tests.soak.striking import MOST_AHEAD_S, TROUBLES, Fault, Plan, Wrong, spared
from tests.soak.world import World
from tests.support import proxy

from meterdeck.core.errors import MeterdeckError

_LEASE_S = 3.0
_CUT = 0.05
_SLOW_S = 0.4
_STARTED_S = 15.0
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
        for each in self._ways().values():
            each.scissors = None
            each.heal()
        await self.world.panel.clear()

    async def _strike(self, fault: Fault) -> None:
        which, seconds, redis = fault.which, fault.for_s, self.world.redis
        match fault.what:
            case Wrong.WORKER_KILLED | Wrong.APPLICATION_KILLED:
                self.seats[which].kill()
            case Wrong.WORKER_HANGS:
                await self._hang(self.seats[which])
            case Wrong.STRIPE:
                await self._trouble(fault)
            case Wrong.CLOCK:
                await self._jump(float(which))
            case Wrong.DISK_FULL:
                await self._fill(which)
            case Wrong.NO_FILES:
                await self._no_files(which, seconds)
            case Wrong.HANG_UP:
                await self.console.hang_up()
            case Wrong.RESIZED:
                await self.console.resize(*map(int, which.split("x")))
            case Wrong.CLIENTS_KILLED:
                await redis.client_kill_filter(_type="normal", skipme=True)
            case Wrong.SCRIPTS_GONE:
                await redis.script_flush()
            case _:
                await self._strike_servers(fault)

    async def _strike_servers(self, fault: Fault) -> None:
        which, seconds = fault.which, fault.for_s
        match fault.what:
            case Wrong.REDIS_KILLED | Wrong.SANDBOX_KILLED:
                await self._kill_servers(redis_alone=fault.what is Wrong.REDIS_KILLED)
            case Wrong.REDIS_HANGS:
                await self._hang_redis(seconds)
            case Wrong.REDIS_FULL:
                await self._no_memory(seconds)
            case Wrong.CUTS:
                await self._cut(seconds)
            case Wrong.SLOW:
                await self._slow(seconds)
            case Wrong.SILENCE:
                await self._silence(self._ways()[which], seconds)
            case Wrong.DEAF:
                await self._deafen(self._ways()[which], seconds)

    def _ways(self) -> dict[str, proxy.Proxy]:
        """Return all proxies, by whose they are and where they lead to."""
        doors = {f"{name} to Stripe": door for name, door in self.world.doors.items()}
        return {**self.world.proxies, **doors}

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
        ways = self._ways()
        for name, each in ways.items():
            seed = crc32(f"{self.seed} {name} {self.struck[Wrong.CUTS]}".encode())
            each.scissors = proxy.Scissors(seed, after=_CUT, before=_CUT)
        await asyncio.sleep(seconds)
        for each in ways.values():
            each.scissors = None

    async def _slow(self, seconds: float) -> None:
        ways = self._ways()
        for each in ways.values():
            each.slow_s = _SLOW_S
        await asyncio.sleep(seconds)
        for each in ways.values():
            each.heal()

    async def _silence(self, way: proxy.Proxy, seconds: float) -> None:
        way.lose_next_answer(proxy.Fault.SILENCE)
        await asyncio.sleep(seconds)
        way.heal()

    async def _deafen(self, way: proxy.Proxy, seconds: float) -> None:
        way.deaf = True
        await asyncio.sleep(seconds)
        way.heal()

    async def _hang_redis(self, seconds: float) -> None:
        redis = child_of(self.seats["sandbox"].pid)
        os.kill(redis, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(redis, signal.SIGCONT)
        await self.world.until_up()

    async def _no_memory(self, seconds: float) -> None:
        """Have Redis refuse what needs memory; a server that is full does no less."""
        redis = self.world.redis
        before = (await redis.config_get("maxmemory"))["maxmemory"] or 0
        await redis.config_set("maxmemory", 1)
        await asyncio.sleep(seconds)
        await redis.config_set("maxmemory", before)

    async def _no_files(self, name: str, seconds: float) -> None:
        """Let a program open nothing more, and have it lose the connections it has."""
        seat, way = self.seats[name], self._ways()[name]
        while time.monotonic() - seat.since_s < _STARTED_S:  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # a program that starts needs the files it is of
        pid = seat.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        way.scissors = proxy.Scissors(self.seed, after=1.0)
        try:
            await asyncio.sleep(seconds)
        finally:
            way.scissors = None
            if seat.pid == pid:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)

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
