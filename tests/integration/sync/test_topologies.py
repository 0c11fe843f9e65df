"""The worker where keys lie on several servers, or on one that Sentinels name."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.contexts import CALLS
from tests.support.delivering import Bench, at_work, delivering, until
from tests.support.redis_server import TOPOLOGIES, Place, options_of
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService


@pytest.fixture(params=TOPOLOGIES)
def place(request: pytest.FixtureRequest) -> Place:
    """A master that Sentinels name, and a cluster."""
    found: Place = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
async def elsewhere(place: Place, stripe: StripeSide) -> AsyncIterator[Bench]:
    """Both sides, with that kind of Redis."""
    options = options_of(place)
    context = delivering(
        replace(stripe.context(options.url), redis=options), takeover_s=5.0
    )
    assert context.stripe is not None
    redis, gateway = open_redis(options), StripeGateway(context.stripe, context.mode)
    await redis.flushall()
    yield Bench(context, redis, stripe, gateway)
    await gateway.close()
    await redis.aclose()


async def test_every_unit_is_billed_once_wherever_its_counter_lies(
    elsewhere: Bench,
) -> None:
    """By INCR and by the library, before the worker starts and while it runs."""
    customers = {f"t{n}": elsewhere.stripe.subscribed(f"t{n}") for n in range(12)}
    for tenant in customers:
        await elsewhere.use(tenant, 3)
    usage = UsageService(elsewhere.redis, elsewhere.context)
    async with at_work(Worker(elsewhere.context)) as worker:
        tally = worker.counters.tally
        await until(lambda: tally.units == 36, "what was there is billed")
        for tenant in customers:
            await usage.consume(tenant, {CALLS: 2})
        await until(lambda: tally.units == 60, "and what came after it")

    assert [int(await elsewhere.billed(each)) for each in customers.values()] == [
        5
    ] * len(customers)
    assert elsewhere.sent == 2 * len(customers)
