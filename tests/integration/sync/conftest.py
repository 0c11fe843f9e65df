"""A local Stripe, an empty Valkey, and counters that are to be billed."""

from collections.abc import AsyncIterator

import pytest
from tests.support.delivering import Bench, delivering
from tests.support.stripe_side import StripeSide, running_stripe

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey


@pytest.fixture
async def stripe() -> AsyncIterator[StripeSide]:
    """A running local Stripe with a small price list."""
    async with running_stripe() as side:
        yield side


@pytest.fixture
def context(stripe: StripeSide, valkey: Valkey) -> Context:
    """A context on both servers whose intervals are short."""
    return delivering(stripe.context(valkey.url))


@pytest.fixture
async def bench(
    context: Context, valkey_client: Redis, stripe: StripeSide
) -> AsyncIterator[Bench]:
    """Both sides, to use and to ask."""
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    yield Bench(context, valkey_client, stripe, gateway)
    await gateway.close()
