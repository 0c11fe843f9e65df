"""An application without our library: INCR alone, and never asked again."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

from tests.soak.application import start
from tests.soak.journal import Entry, Journal, Kind, Told

from meterdeck.core.adapters.redis_client import open_redis, redis_errors, server_time
from meterdeck.core.errors import RedisRefused, Unreachable
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.settings import load_context

STORAGE = "storage_gb"
_PAUSE_S = 0.05


async def main(name: str, folder: Path, seed: int) -> None:
    """Count until SIGTERM."""
    tenants = (folder / "tenants").read_text().split("\n")
    context = await asyncio.to_thread(
        load_context, config=folder / "config.toml", context=name, with_stripe=False
    )
    journal = Journal(folder / f"{name}.journal")
    before = journal.entries()
    for entry in before.values():
        if entry.told is None:
            journal.told(entry, Told.UNKNOWN, {})
    chance = random.Random(f"{seed} {len(before)}")  # noqa: S311  # guesses no secret
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    redis = open_redis(context.redis)
    number = len(before)
    while not stopping.is_set():
        await asyncio.sleep(_PAUSE_S)
        try:
            label = calendar_month(await server_time(redis)).label
        except Unreachable:
            continue
        number += 1
        tenant, units = chance.choice(tenants), chance.randint(1, 9)
        entry = Entry(Kind.INCR, f"plain-{number}", tenant, {STORAGE: units})
        journal.asked(entry)
        key = context.redis.layout.counter(tenant, STORAGE, label)
        try:
            with redis_errors(write="a count"):
                await redis.incrby(key.decode(), units)
        except RedisRefused:
            journal.told(entry, Told.NOT_COUNTED, {})
        except Unreachable:
            journal.told(entry, Told.UNKNOWN, {})
        else:
            journal.told(entry, Told.DONE, {})
    await redis.aclose()
    journal.close()


if __name__ == "__main__":
    start(main)
