"""The console on a pseudo-terminal: until it is there, and what it costs after."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.moving_bars import BARS, MovingBars
from tests.support.running_sandbox import RunningSandbox, running_sandbox

from bench.machine import cpu_ms, memory_mb, taken_on, versions
from bench.report import Row, Section, Target, number, ratios, spread
from bench.timed_terminal import TimedTerminal, is_full

_MINIMAL = [sys.executable, str(Path(__file__).with_name("minimal_app.py"))]
_USAGE = re.compile(r"\d%")
_WINDOWS = 5
_SORT_S = 4  # within it the rows are sorted by what the first look found
_REST_S = 2


@dataclass(frozen=True, slots=True)
class _Starts:
    """Seconds from a process's start, a round each."""

    minimal: Sequence[float]
    painted: Sequence[float]
    live: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Running:
    """What a running program costs, a window each."""

    bytes_s: Sequence[float]
    cpu_ms_s: Sequence[float]
    memory_mb: float


def run(*, rounds: int, window_s: int) -> Section:
    """Measure `rounds` starts of each program, then windows idle and moving."""
    with running_sandbox() as sandbox:
        starts = _starts(sandbox, rounds)
        with TimedTerminal(_MINIMAL) as terminal:
            terminal.reached(is_full)
            minimal = _watched(terminal, window_s, rest_s=_REST_S)
        with _console(sandbox) as terminal:
            terminal.reached(shows_usage)
            idle = _watched(terminal, window_s, rest_s=_SORT_S)
            with MovingBars(sandbox.redis_url, terminal.now()) as bars:
                moving = _watched(terminal, window_s, bars.step, rest_s=_REST_S)
            with MovingBars(sandbox.redis_url, terminal.now(), by=1) as bars:
                creeping = _watched(terminal, window_s, bars.step, rest_s=_REST_S)
    note = (
        f"{taken_on()}; {versions('textual', 'redis', 'stripe')}. Pseudo-terminal"
        f" 120×40, sandbox with 200 tenants and no traffic. {rounds} interleaved"
        f" starts after a warm one; {_WINDOWS} windows of {window_s} s."
        f" The minimal app is Textual's `Header`, `Static`, `Footer`."
    )
    return Section(
        "console", note, [*_start_rows(starts), *_cost(minimal, idle, moving, creeping)]
    )


def shows_usage(screen: str) -> bool:
    """Tell whether a counter's share is on the screen: the data is live."""
    return _USAGE.search(screen) is not None


def _console(sandbox: RunningSandbox) -> TimedTerminal:
    return TimedTerminal(sandbox.command(), env=sandbox.environment)


def _starts(sandbox: RunningSandbox, rounds: int) -> _Starts:
    minimal, painted, live = [], [], []
    for number_ in range(rounds + 1):
        with TimedTerminal(_MINIMAL) as terminal:
            bare = terminal.reached(is_full)
        with _console(sandbox) as terminal:
            full = terminal.reached(is_full)
            data = terminal.reached(shows_usage)
        if number_:  # the first one may have had to compile
            minimal.append(bare)
            painted.append(full)
            live.append(data)
    return _Starts(minimal, painted, live)


def _watched(
    terminal: TimedTerminal,
    window_s: int,
    each_second: Callable[[], None] | None = None,
    *,
    rest_s: int,
) -> _Running:
    """Watch a program for `_WINDOWS` windows, after `rest_s` seconds of the same."""
    pid = terminal.process.pid
    written, used = [], []
    for number_ in range(_WINDOWS + 1):
        began, cpu, before = time.monotonic(), cpu_ms(pid), len(terminal.received)
        for second in range(window_s if number_ else rest_s):
            if each_second:
                each_second()
            terminal.bytes_over(max(0.0, began + second + 1 - time.monotonic()))
        elapsed = time.monotonic() - began
        if number_:  # the first one is for coming to rest
            written.append((len(terminal.received) - before) / elapsed)
            used.append((cpu_ms(pid) - cpu) / elapsed)
    return _Running(written, used, memory_mb(pid))


def _start_rows(starts: _Starts) -> list[Row]:
    later = [b - a for a, b in zip(starts.painted, starts.live, strict=True)]
    minimal = number(spread(starts.minimal).median)

    def row(what: str, times: Sequence[float], target: Target | None = None) -> Row:
        measured = f"{number(spread(times).median)} / {minimal} s"
        against = "minimal Textual app, first full screen"
        return Row(what, ratios(times, starts.minimal), "×", against, measured, target)

    return [
        row("start to first full screen", starts.painted, Target(1.3, at_most=True)),
        row("start to live data", starts.live),
        Row(
            "first full screen to live data",
            spread(later),
            "s",
            target=Target(0.5, at_most=True, unit="s"),
        ),
    ]


def _cost(
    minimal: _Running, idle: _Running, moving: _Running, creeping: _Running
) -> list[Row]:
    bars = f"{BARS} bars move each second"
    shares = f"{BARS} shares rise by 1 % each second"
    return [
        _bytes("idle: written to the terminal", idle, 60),
        _bytes("minimal app idle: written to the terminal", minimal),
        _bytes(f"{bars}: written to the terminal", moving, 2_500),
        _bytes(f"{shares}: written to the terminal", creeping),
        _cpu("idle: processor time", idle, 10),
        _cpu("minimal app idle: processor time", minimal),
        _cpu(f"{bars}: processor time", moving, 30),
        Row("memory", spread([moving.memory_mb]), "MB"),
        Row("minimal app: memory", spread([minimal.memory_mb]), "MB"),
    ]


def _bytes(what: str, program: _Running, bound: int | None = None) -> Row:
    target = Target(bound, at_most=True, unit="bytes/s") if bound else None
    return Row(what, spread(program.bytes_s), "bytes/s", target=target)


def _cpu(what: str, program: _Running, bound: int | None = None) -> Row:
    target = Target(bound, at_most=True, unit="ms/s") if bound else None
    return Row(what, spread(program.cpu_ms_s), "ms/s", target=target)
