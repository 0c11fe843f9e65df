"""The first look at a large fleet: what is on the screen comes first."""

import asyncio

from tests.support.metering import until
from tests.support.watching import CALLS, following, watch_context

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.counter_table import CounterTable
from meterdeck.core.services.directory import Directory, DirectoryChange
from meterdeck.core.services.directory_watch import DirectoryWatch
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.watch_report import WatchReport

LAYOUT = KeyLayout()
COUNT = 2_500


async def test_counters_on_the_screen_are_read_before_the_last_names(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Names come as they are read, and of those in focus the counters with them."""
    names = [TenantId(f"t{number:04}") for number in range(COUNT)]
    month = (await server_time(valkey_client)).strftime("%Y-%m")
    async with valkey_client.pipeline(transaction=False) as pipe:
        pipe.sadd(LAYOUT.tenants(), *names)
        for name in names:
            pipe.hset(LAYOUT.tenant(name), "name", f"The {name}")
            pipe.set(LAYOUT.counter(name, CALLS.name, month), 7)
        await pipe.execute()
    context = watch_context(valkey.url)

    async with Engine(context) as engine:
        watch = engine.watch()
        watch.focus(names[:2])
        async with following(watch, context) as seen:
            await seen.until(lambda: any(update.counters for update in seen.updates))
            first = next(update for update in seen.updates if update.counters)
            before = seen.updates[: seen.updates.index(first) + 1]
            assert list(first.counters[0].tenants) == names[:2]
            assert first.counters_at is None
            assert 0 < sum(len(update.tenants) for update in before) < COUNT

            await seen.until(lambda: seen.last.counters_at is not None)
            assert len(seen.fleet) == COUNT
            assert seen.used(names[-1]) == 7


async def test_stripe_is_asked_after_the_first_look_at_the_counters(
    valkey: Valkey,
) -> None:
    """What talks to it takes half a second to import: counters come first."""
    context = watch_context(valkey.url)
    asked: list[bool] = []
    looked = asyncio.Event()

    class Asked(Directory):
        async def refresh(self) -> DirectoryChange:
            asked.append(looked.is_set())
            return DirectoryChange((), ())

    async with Engine(context) as engine:
        directory = Asked(engine._redis, context, None)
        report = WatchReport(CounterTable(context.resources))
        watch = DirectoryWatch(context, directory, None, report, lambda: None)
        running = asyncio.create_task(watch.run(looked))
        await asyncio.sleep(0)
        looked.set()
        await until(lambda: bool(asked))
        running.cancel()

    assert asked == [True]
