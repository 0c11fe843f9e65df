"""What a command costs to start: against an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from redis import Redis
from tests.support.running_sandbox import METERDECK, RunningSandbox, running_sandbox

from bench.machine import taken_on, versions
from bench.report import Row, Section, Target, number, ratios, spread
from meterdeck.core.model.keys import KeyLayout

_NOTHING = [sys.executable, "-c", "pass"]
_REDIS = [sys.executable, "-c", "import redis.asyncio"]


def run(*, rounds: int, starts: int) -> Section:
    """Measure `rounds` interleaved rounds, and `starts` sandboxes."""
    times: dict[str, list[float]] = defaultdict(list)
    ready: list[float] = []
    for _ in range(starts):
        with running_sandbox() as sandbox:
            ready.append(sandbox.ready_s)
    with running_sandbox() as sandbox:
        usage = sandbox.command("usage", _some_tenant(sandbox), "--json")
        commands = {
            "pass": _NOTHING,
            "redis": _REDIS,
            "version": [METERDECK, "--version"],
            "usage": usage,
        }
        for argv in commands.values():  # compiled modules and warm file caches
            _timed(argv, sandbox.environment)
        for _ in range(rounds):
            for name, argv in commands.items():
                times[name].append(_timed(argv, sandbox.environment))
    note = (
        f"{taken_on()}; {versions('redis', 'pydantic-settings')}. {rounds} interleaved"
        f" rounds after a warm one; the sandbox was started {starts} times."
    )
    return Section("command-line", note, _rows(times, ready))


def _rows(times: Mapping[str, list[float]], ready: Sequence[float]) -> list[Row]:
    version, usage = "`meterdeck --version`", "`meterdeck usage TENANT --json`"
    return [
        _row(times, version, "version", "pass", Target(6, at_most=True)),
        _row(times, usage, "usage", "pass"),
        _row(times, usage, "usage", "redis"),
        Row(
            f"{usage}: to its end",
            spread(times["usage"]),
            "s",
            target=Target(0.5, at_most=True, unit="s"),
        ),
        Row(
            "`meterdeck sandbox`, 200 tenants: to ready",
            spread(ready),
            "s",
            target=Target(2, at_most=True, unit="s"),
        ),
    ]


_AGAINST = {"pass": "`python -c pass`", "redis": "`python -c 'import redis.asyncio'`"}


def _row(
    times: Mapping[str, list[float]],
    what: str,
    name: str,
    base: str,
    target: Target | None = None,
) -> Row:
    middle = [number(spread(times[key]).median) for key in (name, base)]
    return Row(
        what,
        ratios(times[name], times[base]),
        against=_AGAINST[base],
        measured=" / ".join(middle) + " s",
        target=target,
    )


def _timed(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, env=environment, capture_output=True, check=True)
    return time.perf_counter() - started


def _some_tenant(sandbox: RunningSandbox) -> str:
    with Redis.from_url(sandbox.redis_url, decode_responses=True) as client:
        names = client.smembers(KeyLayout().tenants())
        assert isinstance(names, set)
        return str(min(names))
