"""Services on each kind of server in turn."""

import pytest
from tests.support.contexts import redis_context

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def context(redis_server: Valkey) -> Context:
    """A context on the server that `redis` is a client of."""
    return redis_context(redis_server.url)


@pytest.fixture
def usage(redis: Redis, context: Context) -> UsageService:
    """The usage service on an empty server."""
    return UsageService(redis, context)


@pytest.fixture
def changes(redis: Redis, context: Context) -> OperatorChanges:
    """Operator changes on an empty server."""
    return OperatorChanges(redis, context)


@pytest.fixture
def actor() -> Actor:
    """Who asks for changes in these tests."""
    return Actor("ada", "ssh 192.0.2.7")
