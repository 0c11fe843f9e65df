"""`consume` against the server's own limit, the legacy way, and a library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio as redis_py

from bench.contenders import (
    FAR,
    Contender,
    fixed_window,
    legacy,
    library,
    ours,
    prepare,
)
from bench.load import Call, Load, drive
from bench.machine import (
    can_pin,
    cpu_ms,
    move,
    on_core,
    taken_on,
    versions,
)
from bench.report import Row, Section, Target, number, ratios, spread
from bench.server_limit import (
    Command,
    Reference,
    check_counted,
    consume_command,
    find_reference,
    for_tenant,
)
from meterdeck.core.sandbox.valkey import Valkey

_MANY = 200
_INCR: Command = ("INCR", "plain:__rand_int__")
_REFERENCE_RATE = 50_000  # a guess, to make a round last about as long as the others
_INCR_TIMES = 8


@dataclass(frozen=True, slots=True)
class _Sample:
    """One measurement of one round: calls a second, and what each cost."""

    rate: float
    p99_ms: float = 0.0
    slowest_ms: float = 0.0
    client_us: float = 0.0
    server_us: float = 0.0


class _Samples:
    """All rounds of all measurements, by name."""

    def __init__(self) -> None:
        self._of: dict[str, list[_Sample]] = defaultdict(list)

    def add(self, name: str, sample: _Sample) -> None:
        self._of[name].append(sample)

    def rates(self, name: str) -> list[float]:
        return [sample.rate for sample in self._of[name]]

    def each(self, name: str) -> Sequence[_Sample]:
        return self._of[name]


async def run(server: Valkey, *, rounds: int, seconds: float) -> Section:
    """Measure `rounds` interleaved rounds, each measurement `seconds` long."""
    reference = find_reference()
    await prepare(server.url, FAR)
    command = await consume_command(server.url, FAR)
    ways = {
        "ours": ours,
        "library": library,
        "evalsha": _plain(command),
        "legacy": legacy,
        "limits": fixed_window,
    }
    samples = _Samples()
    for _ in range(rounds):
        await prepare(server.url, FAR)
        await _ask_the_server(server, reference, command, samples, seconds)
        for name, way in ways.items():
            await _many(server, name, way, samples, seconds)
        for name in ("ours", "library", "evalsha"):
            await _one(server, name, ways[name], samples, seconds)
    note = await _note(server, reference, rounds, seconds)
    return Section("counting", note, _rows(samples))


def _plain(command: Command) -> Contender:
    """Return the way of sending the very same script through redis-py, as it is."""

    @asynccontextmanager
    async def way(url: str, limit: int) -> AsyncIterator[Call]:
        assert limit == FAR, "the limit is part of the command"
        async with redis_py.Redis.from_url(url, max_connections=400) as client:

            async def call(name: str, amount: int) -> bool:
                assert amount == 1
                words = for_tenant(command, name)
                # The library leaves this one method without types.
                reply = await client.execute_command(*words)  # type: ignore[no-untyped-call]
                return bool(reply)

            yield call

    return way


async def _ask_the_server(
    server: Valkey,
    reference: Reference,
    command: Command,
    samples: _Samples,
    seconds: float,
) -> None:
    requests = int(_REFERENCE_RATE * seconds)
    with on_core(1):
        move(server.pid, 0)
        before = cpu_ms(server.pid)
        rate = reference.rate(str(server.socket), command, requests)
        server_us = (cpu_ms(server.pid) - before) * 1e3 / requests
        await check_counted(server.url, requests)
        samples.add("reference", _Sample(rate, server_us=server_us))
        plain = reference.rate(str(server.socket), _INCR, requests * _INCR_TIMES)
        samples.add("incr", _Sample(plain))


async def _many(
    server: Valkey, name: str, way: Contender, samples: _Samples, seconds: float
) -> None:
    with on_core(1):
        move(server.pid, 0)
        samples.add(name, await _measured(server, way, _MANY, seconds))


async def _one(
    server: Valkey, name: str, way: Contender, samples: _Samples, seconds: float
) -> None:
    # With one caller, waking the other core costs more than the call itself, and
    # whether it happens is chance: both on one core.
    with on_core(0):
        move(server.pid, 0)
        samples.add(f"{name} alone", await _measured(server, way, 1, seconds))


async def _measured(
    server: Valkey, way: Contender, callers: int, seconds: float
) -> _Sample:
    async with way(server.url, FAR) as call:
        await drive(call, callers=callers, seconds=seconds / 10)  # connections, scripts
        before = cpu_ms(server.pid)
        load: Load = await drive(call, callers=callers, seconds=seconds)
        server_us = (cpu_ms(server.pid) - before) * 1e3 / load.calls
    return _Sample(load.rate, load.p99_ms, load.slowest_ms, load.cpu_us, server_us)


_COMPARED: Mapping[str, str] = {
    "evalsha": "the same script, one `EVALSHA` a call by redis-py",
    "legacy": "legacy `INCR`+`EXPIRE`(+`DECR`)",
    "limits": "`limits` fixed window",
}
_THE_LIMIT = "server's own limit, same script"


def _rows(samples: _Samples) -> list[Row]:
    many = f"`consume`, {_MANY} callers"
    rows = [
        _row(samples, many, ("ours", "reference"), _THE_LIMIT, Target(0.8)),
        _row(samples, many, ("ours", "legacy"), _COMPARED["legacy"]),
        _row(samples, many, ("ours", "limits"), _COMPARED["limits"], Target(6)),
        _row(samples, many, ("ours", "evalsha"), _COMPARED["evalsha"]),
        _row(
            samples,
            "`consume`, 1 caller",
            ("ours alone", "evalsha alone"),
            _COMPARED["evalsha"],
            Target(1),
        ),
    ]
    client = f"`MeterClient.consume`, {_MANY} callers"
    rows += [
        _row(samples, client, ("library", "reference"), _THE_LIMIT, Target(0.8)),
        _row(samples, client, ("library", "limits"), _COMPARED["limits"], Target(6)),
        _row(
            samples,
            "`MeterClient.consume`, 1 caller",
            ("library alone", "evalsha alone"),
            _COMPARED["evalsha"],
            Target(1),
        ),
    ]
    rows += [
        _row(samples, f"{title}, {_MANY} callers", (name, "reference"), _THE_LIMIT)
        for name, title in _COMPARED.items()
    ]
    rows += [
        _row(
            samples,
            "the script by the reference",
            ("reference", "incr"),
            "`INCR` by it",
        ),
        Row(
            f"{many}: 99 % answered within",
            spread([one.p99_ms for one in samples.each("ours")]),
            "ms",
            target=Target(8, at_most=True, unit="ms"),
        ),
        Row(
            f"{many}: the slowest answer",
            spread([one.slowest_ms for one in samples.each("ours")]),
            "ms",
        ),
        Row(
            f"{client}: 99 % answered within",
            spread([one.p99_ms for one in samples.each("library")]),
            "ms",
            target=Target(8, at_most=True, unit="ms"),
        ),
        _cost(f"{many}: this process", [s.client_us for s in samples.each("ours")]),
        _cost(
            f"{client}: this process", [s.client_us for s in samples.each("library")]
        ),
        _cost(f"{many}: the server", [s.server_us for s in samples.each("ours")]),
        _cost(
            "the script by the reference: the server",
            [s.server_us for s in samples.each("reference")],
        ),
    ]
    return rows


def _row(
    samples: _Samples,
    what: str,
    pair: tuple[str, str],
    against: str,
    target: Target | None = None,
) -> Row:
    ours_, theirs = (samples.rates(name) for name in pair)
    middle = number(spread(ours_).median), number(spread(theirs).median)
    return Row(
        what=what,
        result=ratios(ours_, theirs),
        against=against,
        measured=f"{middle[0]} / {middle[1]} calls/s",
        target=target,
    )


def _cost(what: str, values: Sequence[float]) -> Row:
    return Row(f"{what}, processor time a call", spread(values), "µs")


async def _note(
    server: Valkey, reference: Reference, rounds: int, seconds: float
) -> str:
    async with redis_py.Redis.from_url(server.url) as client:
        about = await client.info("server")
    kind = "valkey" if "valkey_version" in about else "redis"
    cores = "server and client on a core each (one caller: both on one)"
    return (
        f"{taken_on()}; {versions('redis', 'hiredis', 'limits')},"
        f" {kind} {about[f'{kind}_version']} on a Unix socket, append-only file;"
        f" {reference.name}. {rounds} interleaved rounds of {seconds:g} s each;"
        f" {cores if can_pin() else 'no core of its own for anybody'}."
    )
