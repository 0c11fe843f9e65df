"""Contexts, conditions and questions for tests of the library."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.support.contexts import IMAGES, redis_context

from meterdeck.core.adapters.redis_client import open_redis, server_time
from meterdeck.core.client import Deferred, MeterClient, Settled, SpoolStatus
from meterdeck.core.model.context import Context, LibraryOptions, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import OnFault

DEADLINE_S = 30.0


def library_context(url: str, spool_dir: Path, **options: float) -> Context:
    """Return a context in which every resource fails open but images.

    Probes are frequent; a call has ten seconds, so that none is lost by a busy machine.
    """
    context = redis_context(url)
    library = LibraryOptions(
        call_timeout_s=10.0, circuit_pause_s=0.1, spool_dir=spool_dir
    )
    return replace(
        context,
        resources=tuple(
            each if each.name == IMAGES else replace(each, on_fault=OnFault.FAIL_OPEN)
            for each in context.resources
        ),
        library=replace(library, **options),  # type: ignore[arg-type]  # by name
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come true.
    """
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.005)


def spooled(meter: MeterClient) -> SpoolStatus:
    """Return the state of a client's spool."""
    status = meter.status().spool
    assert status is not None
    return status


def done(answer: Settled | Deferred) -> Settled:
    """Return what Redis did, which was asked and answered."""
    assert isinstance(answer, Settled)
    return answer


async def replayed(meter: MeterClient) -> None:
    """Wait until nothing is spooled any more."""
    await until(lambda: spooled(meter).calls == 0)


async def counted(url: str, tenant: str, resource: str, label: str = "") -> int:
    """Return a counter, asked directly; of this month unless told otherwise."""
    client = open_redis(RedisOptions(url=url, timeout_s=10.0))
    try:
        label = label or calendar_month(await server_time(client)).label
        key = KeyLayout().counter(tenant, resource, label)
        return int(await client.get(key) or 0)
    finally:
        await client.aclose()


def child_environment() -> dict[str, str]:
    """Return the environment of a Python program that imports these tests."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
