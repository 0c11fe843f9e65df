"""Counts, not times: what is refused wrongly, exceeded, left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

import redis.asyncio as redis_py

from bench.contenders import Contender, counter, fixed_window, legacy, ours, prepare
from bench.load import Call, tenant
from bench.machine import taken_on, versions
from bench.report import Row, Section, Target, spread

LIMIT = 1_000
LEFT = 100
_LARGE, _SMALL = [60] * 20, [1] * 180
_NAME = tenant(0)

WAYS: Mapping[str, Contender] = {
    "`consume`": ours,
    "legacy `INCR`+`EXPIRE`+`DECR`": legacy,
    "`limits` fixed window": fixed_window,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round: 200 callers at once with 100 units left, then 200 that give up.

    Attributes:
        refused: Units left at the end although callers who wanted one were refused.
        exceeded: Units admitted beyond the limit.
        behind: Units the counter holds that nobody was given.
        behind_cut: The same, from callers cut off before their answer.
    """

    refused: int
    exceeded: int
    behind: int
    behind_cut: int


async def run(url: str, *, rounds: int) -> Section:
    """Measure every way in turn, and say what each got wrong."""
    rows: list[Row] = []
    for title, contender in WAYS.items():
        done = [await _round(url, contender, seed) for seed in range(rounds)]
        rows += _rows(title, done, held=contender is ours)
    note = (
        f"{taken_on()}; {versions('redis', 'limits')}. 200 callers at once, 20 of 60"
        f" units and 180 of 1, with {LEFT} units left; then, at the limit, 200 callers"
        f" that are cut off after 1–40 ms. {rounds} rounds."
    )
    return Section("exactness", note, rows)


def _rows(title: str, done: list[Outcome], *, held: bool) -> list[Row]:
    target = Target(0, at_most=True) if held else None
    figures = {
        "wrongly refused": [one.refused for one in done],
        "admitted beyond the limit": [one.exceeded for one in done],
        "left in the counter": [one.behind for one in done],
        "left in the counter by callers cut off": [one.behind_cut for one in done],
    }
    return [
        Row(f"{title}: {what}", spread(values), "units", target=target)
        for what, values in figures.items()
    ]


async def _round(url: str, contender: Contender, seed: int) -> Outcome:
    chance = random.Random(seed)
    amounts = _LARGE + _SMALL
    chance.shuffle(amounts)
    await prepare(url, LIMIT)
    async with contender(url, LIMIT) as call:
        assert await call(_NAME, LIMIT - LEFT)
        allowed = await asyncio.gather(*(call(_NAME, amount) for amount in amounts))
        given = sum(amount for amount, yes in zip(amounts, allowed, strict=True) if yes)
        behind = await _held(url) - (LIMIT - LEFT) - given
        behind_cut = await _cut_off(url, call, chance)
    return Outcome(
        refused=max(0, LEFT - given),
        exceeded=max(0, given - LEFT),
        behind=behind,
        behind_cut=behind_cut,
    )


async def _cut_off(url: str, call: Call, chance: random.Random) -> int:
    while await call(_NAME, 1):  # fill up what is left
        pass
    before = await _held(url)

    async def impatient(patience_s: float) -> None:
        try:
            await asyncio.wait_for(call(_NAME, 1), patience_s)
        except TimeoutError:
            return

    await asyncio.gather(*(impatient(chance.uniform(0.001, 0.04)) for _ in range(200)))
    return await _held(url) - before


async def _held(url: str) -> int:
    # The library names its keys its own way: whatever counts this tenant is it.
    async with redis_py.Redis.from_url(url) as client:
        total = int(await client.get(counter(_NAME)) or 0)
        async for key in client.scan_iter(match=f"LIMITS*{_NAME}*"):
            total += int(await client.get(key) or 0)
        return total
