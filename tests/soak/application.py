"""An application under load: `python -m tests.soak.application CONTEXT FOLDER SEED`.

It asks until it is told, with the same id each time, also after it was killed. SIGTERM
ends it once nothing is left on its disk; SIGUSR1 makes it fill that.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from tests.soak.journal import Entry, Journal, Kind, Told

from meterdeck.core.client import (
    Counting,
    Decision,
    Deferred,
    Degraded,
    GaugeReading,
    MeterClient,
    Reason,
    Settled,
)
from meterdeck.core.errors import NotFound, Unreachable

CALLS, IMAGES, RENDERS, DISK = "api_calls", "images", "renders", "disk"
CALLERS = 6
_PAUSE_S = 0.1
_AGAIN_S = 0.1
_HELD = timedelta(seconds=60)
_WEIGHTS = {
    Kind.CONSUME: 12,
    Kind.RELEASE: 2,
    Kind.RESERVE: 2,
    Kind.TRACK: 3,
    Kind.GAUGE: 1,
}
_Answer = Decision | Degraded | GaugeReading | Settled | Deferred


@dataclass
class Application:
    """Calls of several callers on one client.

    Attributes:
        tenants: Those whose counters all applications share.
        measured: Those whose gauges are this one's.
    """

    meter: MeterClient
    journal: Journal
    name: str
    tenants: list[str]
    measured: list[str]
    chance: random.Random
    run: str
    stopping: bool = False
    filling: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._numbers = count()

    async def work(self) -> None:
        """Finish what a process before this one left, then call until told to stop."""
        await self._until_drained()
        for _ in range(2):  # a reservation that is only now told of has to end, too
            for entry in self._left_over():
                await self._finish(entry)
        async with asyncio.TaskGroup() as tasks:
            for number in range(CALLERS):
                tasks.create_task(self._caller(number))
            tasks.create_task(self._fill_when_told())
        await self._until_drained()

    async def _caller(self, number: int) -> None:
        while not self.stopping:
            # One caller alone has the gauges: which reading is the last is known.
            kind = Kind.GAUGE if not number else self._choose()
            if kind is Kind.GAUGE and number:
                with suppress(Unreachable):  # there is nothing else to answer
                    await self.meter.usage(self.chance.choice(self.tenants))
            else:
                await self._call(kind)
            await asyncio.sleep(self.chance.uniform(0, 2 * _PAUSE_S))

    def _choose(self) -> Kind:
        return self.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    async def _call(self, kind: Kind) -> None:
        tenant = self.chance.choice(
            self.measured if kind is Kind.GAUGE else self.tenants
        )
        units: dict[str, int] = {}
        match kind:
            case Kind.GAUGE:
                units = {DISK: self.chance.randint(0, 100_000)}
            case Kind.TRACK:
                units = {RENDERS: self.chance.randint(1, 3)}
            case _:
                units = {CALLS: self.chance.randint(1, 9)}
                if self.chance.random() < 0.2:
                    units[IMAGES] = self.chance.randint(1, 3)
        settles = kind in (Kind.RELEASE, Kind.RESERVE)
        asked = Kind.CONSUME if kind is Kind.RELEASE else kind
        entry = Entry(
            asked, f"{self.name}-{self.run}-{next(self._numbers)}", tenant, units
        )
        self.journal.asked(entry)
        if await self._finish(entry) and settles:
            await asyncio.sleep(self.chance.uniform(0, 0.5))
            end = self.chance.choice([Kind.RELEASE, Kind.CONFIRM])
            await self._settle(entry, end if kind is Kind.RESERVE else Kind.RELEASE)

    async def _settle(self, call: Entry, kind: Kind) -> None:
        entry = Entry(kind, call.call_id, call.tenant, call.units)
        self.journal.asked(entry)
        await self._finish(entry)

    async def _finish(self, entry: Entry) -> bool:
        """Ask until there is an answer; tell whether units were taken."""
        while True:
            doubtful = entry.doubtful
            entry.doubtful = True  # until it is answered
            try:
                answer: _Answer | None = await self._ask(entry)
            except NotFound:
                answer = None
            except Unreachable:
                await asyncio.sleep(_AGAIN_S)
                continue
            told, given = _meaning(entry, answer)
            # Refused for want of Redis: this time; not what was asked the time before.
            proven = told not in (Told.NOT_COUNTED, Told.FULL)
            if told is not None and (proven or not doubtful):
                self.journal.told(entry, told, given)
                return told in (Told.DONE, Told.SPOOLED)
            await asyncio.sleep(_AGAIN_S)

    def _ask(self, entry: Entry) -> Awaitable[_Answer]:
        meter, tenant, units = self.meter, entry.tenant, entry.units
        call_id = entry.call_id
        match entry.kind:
            case Kind.RESERVE:
                return meter.reserve(tenant, units, ttl=_HELD, call_id=call_id)
            case Kind.TRACK:
                shape = {"size": "xl" if units[RENDERS] > 1 else "s"}
                return meter.track(
                    tenant, RENDERS, units[RENDERS], dimensions=shape, call_id=call_id
                )
            case Kind.GAUGE:
                return meter.set_gauge(tenant, DISK, units[DISK], call_id=call_id)
            case Kind.RELEASE:
                return meter.release(tenant, call_id)
            case Kind.CONFIRM:
                return meter.confirm(tenant, call_id, kept(units))
            case _:
                return meter.consume(tenant, units, call_id=call_id)

    def _left_over(self) -> list[Entry]:
        """Return what a killed process asked and was not told, and what it held."""
        entries = self.journal.entries()
        left = [each for each in entries.values() if each.told is None]
        for each in left:
            each.doubtful = True
        for (call_id, kind), entry in entries.items():
            ended = {(call_id, Kind.RELEASE), (call_id, Kind.CONFIRM)} & entries.keys()
            if kind is Kind.RESERVE and entry.counts and not ended:
                end = Entry(Kind.RELEASE, call_id, entry.tenant, entry.units)
                self.journal.asked(end)
                left.append(end)
        return left

    async def _until_drained(self) -> None:
        """Wait until what is on disk is counted: only then it is known by its id."""
        while self._waiting():  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(_AGAIN_S)

    def _waiting(self) -> int:
        spool = self.meter.status().spool
        return spool.calls if spool is not None else 0

    async def _fill_when_told(self) -> None:
        while not self.stopping:
            if self.filling.is_set():
                self.filling.clear()
                callers = [self._fill() for _ in range(200)]
                await asyncio.gather(*callers)
            await asyncio.sleep(_PAUSE_S)

    async def _fill(self) -> None:
        """Use a lot, by long ids, until the disk has no room or Redis is back."""
        while not self.stopping:
            spooled = self.meter.status().spool
            if spooled is None or not spooled.calls:
                return
            name = f"{self.name}-{self.run}-{next(self._numbers)}".ljust(127, "x")
            entry = Entry(
                Kind.CONSUME, name, self.chance.choice(self.tenants), {CALLS: 1}
            )
            self.journal.asked(entry)
            await self._finish(entry)
            if (
                spooled.refused_full
                < (self.meter.status().spool or spooled).refused_full
            ):
                return


def kept(units: Mapping[str, int]) -> dict[str, int]:
    """Return what a confirmation keeps of a reservation: about half."""
    return {name: units_ // 2 for name, units_ in units.items()}


def _meaning(
    entry: Entry, answer: _Answer | None
) -> tuple[Told | None, Mapping[str, int]]:
    """Say what an answer means, and what it gave back; None: ask again."""
    told: Told | None = Told.DONE
    given: Mapping[str, int] = {}
    match answer:
        case None:
            told = Told.GONE
        case Degraded(counting=Counting.UNKNOWN):
            told = None
        case Degraded(allowed=True):
            told = Told.SPOOLED
        case Degraded(reason=reason):
            told = Told.FULL if reason is Reason.SPOOL_FULL else Told.NOT_COUNTED
        case Deferred():
            told = Told.SPOOLED
            keep = kept(entry.units) if entry.kind is Kind.CONFIRM else {}
            given = {each: n - keep.get(each, 0) for each, n in entry.units.items()}
        case Settled(resources=resources):
            given = {str(each.resource): each.given_back for each in resources}
        case Decision(allowed=False):
            told = Told.REFUSED
    return told, given


def _run_number(folder: Path, context: str) -> str:
    """Return how many processes of this application there were; there is one more."""
    runs = len(list(folder.glob(f"{context}.run-*")))
    (folder / f"{context}.run-{runs}").touch()
    return str(runs)


async def main(context: str, folder: Path, seed: int) -> None:
    """Run until SIGTERM."""
    tenants = (folder / "tenants").read_text().split("\n")
    run = _run_number(folder, context)
    chance = random.Random(f"{seed} {context} {run}")  # noqa: S311  # guesses no secret
    journal = Journal(folder / f"{context}.journal")
    async with MeterClient.open(context, config=folder / "config.toml") as meter:
        own = tenants[sum(context.encode()) % 2 :: 2]
        application = Application(meter, journal, context, tenants, own, chance, run)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            application.stopping = True

        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGUSR1, application.filling.set)
        await application.work()
    journal.close()


def start(run: Callable[[str, Path, int], Awaitable[None]]) -> None:
    """Run a program of the soak with the arguments of the command line."""

    async def running() -> None:
        await run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

    asyncio.run(running())


if __name__ == "__main__":
    start(main)
