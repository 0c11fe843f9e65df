"""Delivery: how fast events reach a local Stripe, and what one costs us."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import worker
from bench.load import Load, drive
from bench.machine import memory_mb, on_core, taken_on, versions
from bench.report import Row, Section, Target, number, ratios, spread
from bench.senders import BATCH, Way, bare, bare_stream, ours, sdk
from bench.stripe_process import RunningStripe, running_stripe
from meterdeck.core.model.context import SinkKind

IN_FLIGHT = (1, 10, 50)
STREAMS = 4
"""Batches in flight."""
LIVE_RATE = 1_000
"""Events a second that Stripe takes in live mode, by v1."""

Loads = dict[str, list[Load]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What is measured on, and for how long each time."""

    stripe: RunningStripe
    rounds: int
    seconds: float


Measure = Callable[[Ground], Awaitable[Sequence[Row]]]


async def run(*, rounds: int, seconds: float) -> Section:
    """Measure every part in turn, each in `rounds` interleaved rounds."""
    rows: list[Row] = []
    with running_stripe() as to, on_core(0):
        ground = Ground(to, rounds, seconds)
        for measure in PARTS:
            rows += await measure(ground)
    note = (
        f"{taken_on()}; {versions('stripe', 'aiohttp')}. {rounds} interleaved rounds of"
        f" {seconds:g} s each; the local Stripe is a process of its own, on the other"
        f" core. The stream: batches of {BATCH}, {STREAMS} in flight."
    )
    return Section("delivery", note, rows)


async def v1(ground: Ground) -> list[Row]:
    """Measure one event a request."""
    ways: dict[str, Way] = {"ours": ours(SinkKind.V1), "sdk": sdk, "bare": bare}
    rows: list[Row] = []
    for at_once in IN_FLIGHT:
        loads = await _interleaved(ground, ways, at_once)
        rows += _against(f"v1 sender, {at_once} in flight", loads, "ours", "bare")
        rows += _against(f"the SDK alone, {at_once} in flight", loads, "sdk", "bare")
        costs = [load.cpu_us for load in loads["ours"]]
        rows.append(_cost(f"v1 sender, {at_once} in flight", costs))
    share = [cost * LIVE_RATE / 1e6 * 100 for cost in costs]
    target = Target(60, at_most=True, unit="%")
    what = f"v1 sender: {LIVE_RATE:,} events a second, share of one core"
    return [*rows, Row(what, spread(share), "%", target=target)]


async def stream(ground: Ground) -> list[Row]:
    """Measure a hundred events a request; the reference's call is a whole batch."""
    sender, reference = ours(SinkKind.V2_STREAM), bare_stream
    loads: Loads = defaultdict(list)
    before = 0.0
    for number_ in range(ground.rounds):
        loads["ours"].append(await _load(ground, sender, STREAMS, STREAMS * BATCH * 2))
        loads["bare"].append(await _load(ground, reference, STREAMS, STREAMS))
        if number_ == 0:
            before = memory_mb(os.getpid())
    grown = memory_mb(os.getpid()) - before
    rates = [load.rate for load in loads["ours"]]
    bare_rates = [load.rate * BATCH for load in loads["bare"]]
    costs = [load.cpu_us for load in loads["ours"]]
    bare_costs = [load.cpu_us / BATCH for load in loads["bare"]]
    what, against = "v2 stream", "bare aiohttp, the same batches"
    events = sum(load.calls for load in loads["ours"][1:])
    return [
        Row(what, ratios(rates, bare_rates), "×", against, _both(rates, bare_rates)),
        Row(
            f"{what}: processor time an event",
            ratios(costs, bare_costs),
            "×",
            against,
            _both(costs, bare_costs, "µs"),
        ),
        _cost(what, costs, Target(50, at_most=True, unit="µs")),
        Row(
            f"{what}: memory of this process, grown over {events:,} events",
            spread([grown]),
            "MB",
        ),
    ]


async def whole_worker(ground: Ground) -> list[Row]:
    """Measure the worker, from the counter to Stripe."""
    return await worker.run(rounds=ground.rounds, seconds=ground.seconds * 10)


PARTS: Sequence[Measure] = (v1, stream, whole_worker)


async def _interleaved(ground: Ground, ways: dict[str, Way], at_once: int) -> Loads:
    loads: Loads = defaultdict(list)
    for _ in range(ground.rounds):
        for name, way in ways.items():
            loads[name].append(await _load(ground, way, at_once, at_once))
    return loads


async def _load(ground: Ground, way: Way, at_once: int, callers: int) -> Load:
    async with way(ground.stripe, at_once) as call:
        await drive(call, callers=callers, seconds=0.0)  # opens the connections
        return await drive(call, callers=callers, seconds=ground.seconds)


def _against(what: str, loads: Loads, one: str, other: str) -> list[Row]:
    rates, others = ([load.rate for load in loads[name]] for name in (one, other))
    costs, their = ([load.cpu_us for load in loads[name]] for name in (one, other))
    against = "bare aiohttp, the same requests"
    return [
        Row(what, ratios(rates, others), "×", against, _both(rates, others)),
        Row(
            f"{what}: processor time an event",
            ratios(costs, their),
            "×",
            against,
            _both(costs, their, "µs"),
        ),
    ]


def _both(
    ours_: Sequence[float], theirs: Sequence[float], unit: str = "events/s"
) -> str:
    middle, reference = (number(spread(each).median) for each in (ours_, theirs))
    return f"{middle} / {reference} {unit}"


def _cost(what: str, costs: Sequence[float], target: Target | None = None) -> Row:
    return Row(f"{what}: processor time", spread(costs), "µs an event", target=target)
