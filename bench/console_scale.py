"""The console at 100, 10,000 and 100,000 tenants: what the same things cost at each."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.redis_server import running_server
from tests.support.terminal import KEYS

from bench.large_fleet import RESOURCES, LargeFleet
from bench.machine import memory_mb
from bench.operated import numbers_shown, press, under_cursor, watch
from bench.report import Section
from bench.scale_table import Figures, section
from bench.slow_link import SlowTerminal
from bench.timed_terminal import TimedTerminal, is_full

SIZES = (100, 10_000, 100_000)
_CHANGED = 1_000  # tenants a second
_BARS = 20
_HELD_S, _HELD_HZ = 4.0, 30
_LINK_S, _LINK_BYTES_S = 0.08, 125_000.0
_LINES_HZ = 10
_LOADED_S = 120.0
_EVENTS = "e"
_STALE_S = 1.5
_WAITING = "waiting for the first"


def run(*, presses: int, window_s: int, sizes: tuple[int, ...] = SIZES) -> Section:
    """Measure each size; the smallest first."""
    measured: dict[int, Figures] = {}
    for tenants in sizes:
        with tempfile.TemporaryDirectory(prefix="md-bench-") as name:
            folder = Path(name)
            with running_server("valkey", folder / "server") as server:
                fleet = LargeFleet(server.url, folder, tenants=tenants)
                fleet.fill()
                measured[tenants] = _Run(fleet, presses, window_s).figures()
                fleet.close()
    return section(measured)


class _Run:
    """Measures one fleet."""

    def __init__(self, fleet: LargeFleet, presses: int, window_s: int) -> None:
        self._fleet = fleet
        self._presses = presses
        self._window_s = window_s
        self._found: Figures = {}
        self._lines = 0

    def figures(self) -> Figures:
        """Return every figure's values."""
        with TimedTerminal(self._fleet.command, env=self._fleet.environment) as console:
            self._start(console)
            self._still(console)
            self._keys(console)
            self._moving(console)
            self._changing(console)
            self._tail(console)
        self._held()
        return self._found

    def _add(self, what: str, *values: float) -> None:
        self._found.setdefault(what, []).extend(values)

    def _start(self, console: TimedTerminal) -> None:
        full = console.reached(is_full)
        self._add("full", full)
        self._add("live", console.reached(_has_shares, timeout_s=_LOADED_S) - full)
        self._add("whole", console.reached(_is_whole, timeout_s=_LOADED_S) - full)

    def _still(self, console: TimedTerminal) -> None:
        watch(console, 5)  # the first order settles
        for _ in range(3):
            seen = watch(console, self._window_s)
            self._add("idle bytes", seen.bytes_s)
            self._add("idle cpu", seen.cpu_ms_s)
        self._add("memory", seen.memory_mb)

    def _keys(self, console: TimedTerminal) -> None:
        shown = len(numbers_shown(console.now()))
        self._pressed(console, "down", KEYS["down"])
        for _ in range(shown):
            console.send(KEYS["down"])
        console.bytes_over(0.5)
        self._pressed(console, "scroll", KEYS["down"])
        self._pressed(console, "page", "\x06", back="\x02")
        self._pressed(console, "end", "G", back="g")
        for key in ("2", "W"):
            self._pressed(console, "sort", key)
        console.send("g/")
        console.bytes_over(0.5)
        for key in "acme":
            cost = press(console, key)
            self._note("filter", cost.ms, cost.written, cost.cpu_ms)
        console.send(KEYS["escape"])
        console.bytes_over(0.5)

    def _pressed(
        self, console: TimedTerminal, what: str, key: str, *, back: str = ""
    ) -> None:
        for _ in range(self._presses):
            cost = press(console, key)
            self._note(what, cost.ms, cost.written, cost.cpu_ms)
            if back:
                console.send(back)
                console.bytes_over(0.2)

    def _note(self, what: str, ms: float, written: int, cpu_ms: float) -> None:
        self._add(f"{what} ms", ms)
        self._add(f"{what} bytes", written)
        self._add(f"{what} cpu", cpu_ms)
        self._add("frame bytes", written)

    def _moving(self, console: TimedTerminal) -> None:
        console.send("g")
        console.bytes_over(0.5)
        numbers = numbers_shown(console.now())[1:]
        bars = [(n, column) for column in range(2, len(RESOURCES)) for n in numbers]
        bars = bars[:_BARS]
        step = self._stepper(bars)
        watch(console, 2, step)
        for _ in range(3):
            seen = watch(console, self._window_s, step)
            self._add("bars bytes", seen.bytes_s)
            self._add("bars cpu", seen.cpu_ms_s)
        self._latency(console, step)

    def _stepper(self, bars: list[tuple[int, int]]) -> Callable[[int], None]:
        moves = 0

        def step(second: int) -> None:
            nonlocal moves
            moves += 1
            self._fleet.set_percent(bars, 30 + moves * 8 % 40)

        return step

    def _latency(self, console: TimedTerminal, step: Callable[[int], None]) -> None:
        """Press keys at any moment of the seconds in which bars move."""
        chance = random.Random(1)
        due = time.monotonic()
        for number in range(6 * self._presses):
            if time.monotonic() >= due:
                step(0)
                due = time.monotonic() + 1
            key, wanted = ("j", 1) if number % 2 == 0 else ("k", 0)
            numbers = numbers_shown(console.now())
            began = time.monotonic()
            console.send(key)
            came = console.reached(_cursor_on(numbers[wanted]))
            self._add("key ms", (console.started + came - began) * 1000)
            console.bytes_over(chance.random() / 5)

    def _changing(self, console: TimedTerminal) -> None:
        tenants = self._fleet.tenants
        count = min(_CHANGED, tenants)
        chance = random.Random(1)

        def change(second: int) -> None:
            self._fleet.change(chance.sample(range(tenants), count))

        watch(console, 2, change)
        for _ in range(3):
            seen = watch(console, self._window_s, change)
            self._add("changes bytes", seen.bytes_s)
            self._add("changes cpu", seen.cpu_ms_s)

    def _tail(self, console: TimedTerminal) -> None:
        console.send(_EVENTS)
        console.bytes_over(0.5)
        for rate in (200, 2_000):
            self._log_for(console, rate, 1.5)
            before = memory_mb(console.process.pid)
            for _ in range(2):
                seen = self._log_for(console, rate, float(self._window_s))
                self._add(f"tail {rate} bytes", seen[0])
                self._add(f"tail {rate} cpu", seen[1])
            self._add(f"tail {rate} grown", memory_mb(console.process.pid) - before)
            self._add(f"tail {rate} dropped", float("dropped" in console.now()))

    def _log_for(
        self, console: TimedTerminal, rate: int, seconds: float
    ) -> tuple[float, float]:
        def second(_: int) -> None:
            began = time.monotonic()
            for part in range(_LINES_HZ):
                self._fleet.log(self._lines, rate // _LINES_HZ)
                self._lines += rate // _LINES_HZ
                due = began + (part + 1) / _LINES_HZ
                console.bytes_over(max(0.0, due - time.monotonic() - 0.01))

        seen = watch(console, max(1, round(seconds)), second)
        return seen.bytes_s, seen.cpu_ms_s

    def _held(self) -> None:
        """Hold Down over a slow link: how long old frames come after the last key."""
        remote = {**self._fleet.environment, "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
        with SlowTerminal(
            self._fleet.command,
            env=remote,
            round_trip_s=_LINK_S,
            bytes_s=_LINK_BYTES_S,
        ) as console:
            console.reached(_has_shares, timeout_s=_LOADED_S)
            console.reached(_is_whole, timeout_s=_LOADED_S)
            console.bytes_over(2)
            for _ in range(2):
                self._add("held s", self._hold(console))
                console.send("g")
                console.bytes_over(1)

    def _hold(self, console: SlowTerminal) -> float:
        console.now()
        began = time.monotonic()
        for number in range(round(_HELD_S * _HELD_HZ)):
            console.send(KEYS["down"])
            due = began + (number + 1) / _HELD_HZ
            console.bytes_over(max(0.0, due - time.monotonic()))
        released = time.monotonic()
        console.bytes_over(_STALE_S)
        return max(console.last_change(under_cursor) - released, 0.0)


def _cursor_on(number: int) -> Callable[[str], bool]:
    return lambda shown: under_cursor(shown) == number


def _has_shares(shown: str) -> bool:
    return "% " in shown


def _is_whole(shown: str) -> bool:
    return _has_shares(shown) and _WAITING not in shown
