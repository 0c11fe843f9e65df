"""Services on each kind of server in turn."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from inspect import isfunction, signature
from types import ModuleType
from typing import Any

import pytest
from redis._parsers.commands import AsyncCommandsParser
from tests.support.contexts import redis_context
from tests.support.desk import Desk
from tests.support.frozen_clock import frozen_clock
from tests.support.redis_server import KINDS, TOPOLOGIES, Place, options_of

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

__all__ = ["frozen_clock"]

UNTAGGED = {
    # The index of changes, which a script writes together with a counter: its keys
    # lie in another slot than the tenant's. Watchers of a cluster read every tenant.
    "test_an_index_of_another_type_keeps_everything_from_counting",
    "test_every_change_moves_the_tenant_in_the_index_of_changes",
    "test_every_tenant_of_a_round_trip_is_in_the_index_of_changes",
    "test_what_changed_is_found_by_its_sequence_number",
    "test_a_reading_moves_the_tenant_in_the_index_where_the_level_changes",
    "test_members_move_the_tenant_in_the_index_where_they_are_new",
}
"""Tests of what a cluster does not have."""


_ask_for_commands = AsyncCommandsParser.initialize
_commands: dict[str, Any] = {}


async def _ask_once(parser: AsyncCommandsParser, node: Any = None) -> None:
    """Ask what commands there are once, not once for each client of a cluster.

    The servers are of one version, and reading the answer is most of a short test.
    """
    if not _commands:
        await _ask_for_commands(parser, node)
        _commands.update(parser.commands)
    parser.node = node or parser.node
    parser.commands = dict(_commands)


AsyncCommandsParser.initialize = _ask_once  # type: ignore[assignment,method-assign]


@pytest.fixture(scope="session", params=(*KINDS, *TOPOLOGIES))
def redis_server(request: pytest.FixtureRequest) -> Valkey | Place:
    """Each kind of server, a master of Sentinels and a cluster, in turn."""
    place: Valkey | Place = request.getfixturevalue(f"{request.param}_server")
    return place


@pytest.fixture
def context(redis_server: Valkey | Place) -> Context:
    """A context on the server that `redis` is a client of."""
    options = options_of(redis_server)
    return replace(redis_context(options.url), redis=options)


@pytest.fixture(autouse=True)
def _layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a module's constants name keys as they are on a cluster, where it is one."""
    if "redis_server" not in request.fixturenames:
        return
    layout = options_of(request.getfixturevalue("redis_server")).layout
    for module in (request.module, *_helpers_of(request.module)):
        for name, value in (("LAYOUT", layout), ("AUDIT", layout.audit("acme"))):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


def _helpers_of(module: ModuleType) -> set[ModuleType]:
    """Return the modules beside this one that it takes functions from."""
    functions = (each for each in vars(module).values() if isfunction(each))
    names = {each.__module__ for each in functions} - {module.__name__}
    return {sys.modules[each] for each in names if each.startswith(f"{__package__}.")}


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Take out what means one server, or keys that are not tagged."""
    out = [item for item in items if (on := _place(item)) and on in _excluded(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def _place(item: pytest.Item) -> str | None:
    chosen = getattr(item, "callspec", None)
    return chosen.params.get("redis_server") if chosen else None


@cache
def _takes_one(function: Callable[..., object]) -> bool:
    return "redis_server" in signature(function).parameters


def _excluded(item: pytest.Item) -> set[str]:
    assert isinstance(item, pytest.Function)
    own = {"redis", "context", "_layout"}
    fixtures = item._fixtureinfo.name2fixturedefs
    takers = {name for name, found in fixtures.items() if _takes_one(found[-1].func)}
    if takers - own or _takes_one(item.function):
        # It reaches for the one server itself: to stand before it with a proxy, or
        # to count its connections. There are several, and they tell where they are.
        return set(TOPOLOGIES)
    # Keys that are not tagged cannot be used on a cluster.
    if item.callspec.params.get("tagged") is False or item.originalname in UNTAGGED:
        return {"cluster"}
    return {kind for mark in item.iter_markers("not_on") for kind in mark.args}


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


@pytest.fixture
def desk(changes: OperatorChanges, usage: UsageService) -> Desk:
    """An operator at work on tenant acme's calls, on an empty server."""
    return Desk(changes, usage)
