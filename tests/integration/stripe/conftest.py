"""A local Stripe and an empty Valkey for every test."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.billed import MONTHLY, Billed
from tests.support.late_stripe import LAG_S, World
from tests.support.shop import Shop, open_shop
from tests.support.stripe_account import Clock
from tests.support.stripe_side import StripeSide, running_stripe

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.directory import Directory


@pytest.fixture
async def stripe() -> AsyncIterator[StripeSide]:
    """A running local Stripe with a small price list."""
    async with running_stripe() as side:
        yield side


@pytest.fixture
def context(stripe: StripeSide, valkey: Valkey) -> Context:
    """A context on both servers."""
    return stripe.context(valkey.url)


@pytest.fixture
async def gateway(context: Context) -> AsyncIterator[StripeGateway]:
    """A gateway to the local Stripe."""
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    yield gateway
    await gateway.close()


@pytest.fixture
def directory(
    valkey_client: Redis, context: Context, gateway: StripeGateway
) -> Directory:
    """A directory that has read nothing yet."""
    return Directory(valkey_client, context, gateway)


@pytest.fixture
async def shop(
    stripe: StripeSide, valkey_client: Redis, context: Context, gateway: StripeGateway
) -> AsyncIterator[Shop]:
    """Plans basic and rich name their prices, vague does not."""
    async with open_shop(stripe, valkey_client, context, gateway) as shop:
        yield shop


@pytest.fixture
async def world(valkey: Valkey, valkey_client: Redis) -> AsyncIterator[World]:
    """Nothing is billed yet."""
    clock = Clock(await server_time(valkey_client))
    async with running_stripe(now=clock, summary_lag_s=LAG_S) as side:
        context = side.context(valkey.url)
        context = replace(context, resources=(MONTHLY,))
        assert context.stripe is not None
        gateway = StripeGateway(context.stripe, context.mode)
        yield World(Billed(valkey_client, context, side, gateway), clock)
        await gateway.close()
