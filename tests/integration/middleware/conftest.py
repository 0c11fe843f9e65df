"""The usage service on an empty Valkey, as the middleware gets it."""

import pytest
from tests.support.contexts import redis_context

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(valkey: Valkey) -> Context:
    """A context on an empty server; 1,000 API calls and 10 images a month."""
    return redis_context(valkey.url)


@pytest.fixture
def usage(valkey_client: Redis, context: Context) -> UsageService:
    """The usage service on that server."""
    return UsageService(valkey_client, context)
