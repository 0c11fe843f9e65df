"""A soak from its beginning to its balance sheet."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.soak import balance
from tests.soak.attached import AttachedConsole
from tests.soak.balance import Sheet
from tests.soak.books import Books, Key, Line, billed, of_kind, read_books
from tests.soak.journal import Account, Journal
from tests.soak.operators import Operators, run
from tests.soak.processes import Sampler, Seat, child_of
from tests.soak.striker import Striker
from tests.soak.world import APPLICATIONS, KEY, WORKERS, World, world
from tests.support.zygote import ROOT

from meterdeck.core.errors import Unreachable

_SPARED = 0.4
"""Share of the time after which programs whose memory is watched are left alone."""
_SETTLED_S = 600.0


async def soak(folder: Path, seconds: float, seed: int, tenants: int) -> Sheet:
    """Run everything for so long, let it come to rest, and add up."""
    async with world(folder, tenants) as place:
        seats = {"sandbox": _seat(place, "sandbox", place.sandbox)}
        keeping = [asyncio.create_task(seats["sandbox"].keep())]
        try:
            await place.until_up()
            stage = await _stage(place, seats, seed)
            keeping += [asyncio.create_task(each.keep()) for each in stage.programs()]
            return await stage.play(seconds, seed)
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            for each in reversed(seats.values()):
                await each.stop()


def _seat(place: World, name: str, argv: list[str]) -> Seat:
    environment = {**place.environment, "PYTHONPATH": str(ROOT)}
    return Seat(name, argv, environment, place.folder / f"{name}.log")


async def _stage(place: World, seats: dict[str, Seat], seed: int) -> Stage:
    for name, formula in (("renders", "sum"), ("disk", "last")):
        await asyncio.to_thread(_create_meter, place, name, formula)
    _, listed = await run(place, "tenants", "--json", "-n", "100000")
    found = json.loads(listed)["tenants"]
    tenants = [each["id"] for each in found if each["customer"]]
    (place.folder / "tenants").write_text("\n".join(tenants))
    for name in WORKERS:
        seats[name] = _seat(place, name, place.command("sync", "--json", context=name))
    for name in APPLICATIONS:
        program = "plain" if name == "plain" else "application"
        argv = [sys.executable, "-m", f"tests.soak.{program}", name, str(place.folder)]
        seats[name] = _seat(place, name, [*argv, str(seed)])
    await _billed_so_far(place)
    before = await read_books(place)
    console = AttachedConsole(place, seed)
    return Stage(place, seats, before, console, Operators(place, tenants, seed))


async def _billed_so_far(place: World) -> None:
    """Deliver what the fleet's past left, so that the books begin balanced."""
    code, out = await run(place, "sync", "--once", "--json")
    assert code == 0, out


def _create_meter(place: World, name: str, formula: str) -> None:
    form = {
        "display_name": name,
        "event_name": name,
        "default_aggregation[formula]": formula,
    }
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{place.stripe_port}/v1/billing/meters",
        urlencode(form).encode(),
        {"Authorization": f"Bearer {KEY}"},
    )
    urllib.request.urlopen(request).close()  # noqa: S310  # as above


@dataclass
class Stage:
    """All that takes part."""

    place: World
    seats: Mapping[str, Seat]
    before: Books
    console: AttachedConsole
    operators: Operators

    def programs(self) -> list[Seat]:
        """Return the seats of all but the sandbox."""
        return [each for name, each in self.seats.items() if name != "sandbox"]

    async def play(self, seconds: float, seed: int) -> Sheet:
        """Let things go wrong for so long; then add up."""
        began = time.monotonic()
        sandbox = self.seats["sandbox"]
        sampler = Sampler(
            lambda: {
                **{name: each.pid for name, each in self.seats.items()},
                "Valkey": child_of(sandbox.pid),
                "console": self.console.pid,
            }
        )
        spare_from_s = began + seconds * _SPARED
        striker = Striker(self.place, self.seats, self.console, seed, spare_from_s)
        beside = [asyncio.create_task(each.run()) for each in (sampler, self.console)]
        operating = asyncio.create_task(self.operators.run())
        await striker.run(began + seconds)
        self.operators.stopping = True
        await operating
        sheet = Sheet(struck={str(k): n for k, n in striker.struck.items()})
        await self._end_applications(sheet)
        await self._until_settled(sheet)
        await self._end_workers(sheet)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self._end_console(sheet)
        await self._add_up(sheet, sampler)
        self._figures(sheet, striker, time.monotonic() - began)
        return sheet

    async def _end_applications(self, sheet: Sheet) -> None:
        await asyncio.gather(*(self.seats[name].stop() for name in APPLICATIONS))
        self._ended(sheet, APPLICATIONS)

    async def _end_workers(self, sheet: Sheet) -> None:
        await asyncio.gather(*(self.seats[name].stop() for name in WORKERS))
        self._ended(sheet, (*WORKERS, "sandbox"))

    def _ended(self, sheet: Sheet, names: tuple[str, ...]) -> None:
        for name in names:
            seat = self.seats[name]
            if seat.ended:
                sheet.faults.append(
                    f"{name} ended by itself, with {seat.ended}: {seat.said()}"
                )
            if seat.code:
                sheet.faults.append(
                    f"{name}, told to end, ended with {seat.code}: {seat.said()}"
                )

    async def _end_console(self, sheet: Sheet) -> None:
        if wrong := await self.console.quit():
            sheet.faults.append(f"the console, told to end: {wrong}")
        sheet.faults += [
            f"the console ended by itself: {t}" for t in self.console.crashes
        ]

    async def _until_settled(self, sheet: Sheet) -> None:
        deadline, books = time.monotonic() + _SETTLED_S, self.before
        kinds = of_kind(self.place)
        while time.monotonic() < deadline:
            with suppress(Unreachable):
                books = await read_books(self.place)
                if _at_rest(books, kinds):
                    return
            await asyncio.sleep(0.5)
        restless = [
            f"{key}: {line}"
            for key, line in books.lines.items()
            if not at_rest(key, line, kinds)
        ]
        sheet.faults.append(
            f"not at rest within {_SETTLED_S:.0f} s, with {books.queued} queued and"
            f" {books.unsettled} unsettled: {restless[:10]}"
        )

    async def _add_up(self, sheet: Sheet, sampler: Sampler) -> None:
        place, operators = self.place, self.operators
        code, out = await run(place, "sync", "--once", "--json")
        sheet.add("events for a worker that comes after all", 0, delivered(out))
        if code:
            sheet.faults.append(f"sync --once: {code}: {out[-500:]}")
        await place.panel.settle()
        after, kinds = await read_books(place), of_kind(place)
        account = Account()
        aside = 0
        for name in APPLICATIONS:
            entries = Journal(place.folder / f"{name}.journal").entries()
            account.add(entries)
            for each in await self._spooled(sheet, name):
                account.put_aside(entries, each["call_id"], each["kind"])
                aside += 1
        sheet.figures.append(("calls put aside: a reservation was over", f"{aside}"))
        sheet.add("calls without an end", 0, len(account.open))
        balance.counted(sheet, self.before, after, account, operators)
        stripe = await billed(place, after.lines)
        balance.delivered(
            sheet, self.before, after, stripe, operators=operators, kinds=kinds
        )
        balance.left_over(sheet, after)
        _, proof = await run(place, "audit", "--verify", "--json")
        balance.audited(sheet, self.before, after, operators, proof)
        _, found = await run(place, "reconcile", "--json")
        balance.reconciled(sheet, found)
        self._no_reports(sheet)
        balance.bounded(sheet, sampler.samples, ("sandbox", "Valkey"))

    def _no_reports(self, sheet: Sheet) -> None:
        """No program met anything that it did not expect."""
        folder = self.place.folder
        reports = sorted((folder / "state").glob("crash-*.txt"))
        sheet.add("crash reports", 0, len(reports))
        sheet.faults += [f"{each.name}: {each.read_text()[-2000:]}" for each in reports]
        traces = [f"{n} wrote: {s.said()}" for n, s in self.seats.items() if s.traced()]
        sheet.add("programs that wrote a traceback", 0, len(traces))
        sheet.faults += traces

    async def _spooled(self, sheet: Sheet, name: str) -> list[dict[str, str]]:
        """Return what an application's disk has put aside; nothing may wait on it."""
        folder = self.place.folder / "spool" / name
        if not folder.exists():
            return []
        _, out = await run(self.place, "spool", str(folder), "--json")
        found = json.loads(out)
        calls = sum(each["calls"] for each in found["spools"])
        unsettled: list[dict[str, str]] = found["unsettled"]
        sheet.add(f"spool of {name}: calls", 0, calls)
        late = [each for each in unsettled if "has expired" not in each["why"]]
        sheet.add(f"spool of {name}: put aside for another reason", 0, len(late))
        return unsettled

    def _figures(self, sheet: Sheet, striker: Striker, seconds: float) -> None:
        kills = {name: each.kills for name, each in self.seats.items() if each.kills}
        console = self.console
        sheet.figures[:0] = [
            ("seed", str(striker.seed)),
            ("seconds, with coming to rest", f"{seconds:.0f}"),
            ("faults", str(sum(striker.struck.values()))),
            ("killed", ", ".join(f"{name} {times}" for name, times in kills.items())),
            ("Stripe's clock ahead", f"{striker.ahead_s / 3600:.1f} h"),
            (
                "console",
                f"{console.keys} keys, hung up {console.hung_up} times,"
                f" resized {console.resized} times",
            ),
            (
                "operators",
                ", ".join(f"{n} {what}" for what, n in self.operators.done.items())
                + f"; asked again {self.operators.repeated} times",
            ),
        ]


def delivered(answer: str) -> int:
    """Return how many events `sync --once` has sent."""
    return int(json.loads(answer)["delivered"])


def _at_rest(books: Books, kinds: Mapping[str, str]) -> bool:
    if books.queued or books.unsettled:
        return False
    return all(at_rest(key, line, kinds) for key, line in books.lines.items())


def at_rest(key: Key, line: Line, kinds: Mapping[str, str]) -> bool:
    """Tell whether nothing of a line is on its way."""
    if line.leases or line.reserved:
        return False
    kind = kinds[key[1]]
    level = kind == "gauge" and line.used != line.reported
    return not level and not (kind == "counter" and line.waiting)
