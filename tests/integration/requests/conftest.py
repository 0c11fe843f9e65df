"""An office on a real server: a worker, and people who ask it for changes."""

from collections.abc import AsyncIterator

import pytest
from tests.support.people import Person, at_work, office, server_of

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(redis_server: Valkey) -> Context:
    """The worker's context."""
    return office(redis_server.url)


@pytest.fixture
def server(redis: Redis, context: Context) -> RequestServer:
    """A worker."""
    return server_of(redis, context)


@pytest.fixture
def usage(redis: Redis, context: Context) -> UsageService:
    """The application."""
    return UsageService(redis, context)


@pytest.fixture
async def alice(redis: Redis, context: Context) -> AsyncIterator[Person]:
    """Support; she does not wait for answers."""
    async with at_work(redis, context, "alice", wait_s=0) as person:
        yield person


@pytest.fixture
async def bob(redis: Redis, context: Context) -> AsyncIterator[Person]:
    """A lead; he does not wait either."""
    async with at_work(redis, context, "bob", wait_s=0) as person:
        yield person
