"""Services on each kind of server in turn."""

from collections.abc import Callable
from dataclasses import replace
from inspect import signature

import pytest
from tests.support.contexts import redis_context
from tests.support.desk import Desk
from tests.support.redis_server import KINDS, TOPOLOGIES, Place, options_of

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ONE_CONNECTION = {"test_lanes", "test_lost_answers"}
"""Modules about what one connection, proxied or counted, does."""

UNTAGGED = {
    # Indexes that the scripts write, and a cluster's cannot.
    "test_a_call_without_id_keeps_nothing_but_the_counter",
    "test_an_index_of_another_type_keeps_everything_from_counting",
    "test_every_change_moves_the_tenant_in_the_index_of_changes",
    "test_every_tenant_of_a_round_trip_is_in_the_index_of_changes",
    "test_what_changed_is_found_by_its_sequence_number",
    "test_a_key_of_another_type_stops_an_adjustment_before_it_writes",
    "test_an_override_cannot_end_in_the_past_or_never_where_that_is_forbidden",
    "test_ids_never_go_back_when_the_servers_clock_does",
    "test_an_emptied_trail_is_noticed",
    # Script calls made by hand, with the indexes' keys.
    "test_a_period_that_is_not_current_writes_nothing",
    "test_a_cycle_the_directory_does_not_have_writes_nothing",
    "test_the_script_checks_amounts_itself",
    "test_the_script_refuses_a_resource_named_twice",
    "test_a_bad_argument_of_one_call_keeps_no_other_from_counting",
    "test_a_script_call_that_makes_no_sense_is_told_what_is_wrong",
    # Several tenants in one script call, and what one server counted of them.
    "test_calls_are_decided_in_the_order_in_which_they_were_made",
    "test_calls_of_one_turn_share_round_trips",
    "test_one_call_id_twice_in_a_round_trip_counts_once",
    "test_calls_with_many_resources_are_spread_over_script_calls",
    "test_what_is_wrong_with_one_call_is_answered_to_that_call_alone",
    "test_in_a_tagged_layout_a_script_call_has_one_tenant",
    # Keys named as another program on a single server names them.
    "test_another_language_consumes_by_the_document_alone",
    "test_the_document_names_every_key_with_its_type",
    "test_a_program_that_only_uses_incr_is_counted_on",
    "test_a_counter_that_nobody_gave_an_expiry_gets_one",
    "test_a_list_in_place_of_a_counter_is_said_to_be_one",
    # Rights, taken from one connection or needed for the indexes.
    "test_a_missing_right_is_found_before_anything_is_changed",
    "test_a_tenant_a_user_may_not_touch_is_refused_alone",
    "test_a_user_without_a_right_changes_nothing",
}
"""Tests of what a cluster does not have."""


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
    for name, value in (("LAYOUT", layout), ("AUDIT", layout.audit("acme"))):
        if hasattr(request.module, name):
            monkeypatch.setattr(request.module, name, value)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Take out what means one server, or keys that are not tagged."""
    out = [
        item
        for item in items
        if _place(item) in TOPOLOGIES and _place(item) in _excluded(item)
    ]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def _place(item: pytest.Item) -> str | None:
    chosen = getattr(item, "callspec", None)
    return chosen.params.get("redis_server") if chosen else None


def _takes_one(function: Callable[..., object]) -> bool:
    return "redis_server" in signature(function).parameters


def _excluded(item: pytest.Item) -> set[str]:
    assert isinstance(item, pytest.Function)
    own = {"redis", "context", "_layout"}
    fixtures = item._fixtureinfo.name2fixturedefs
    takers = {name for name, found in fixtures.items() if _takes_one(found[-1].func)}
    if takers - own or _takes_one(item.function):
        return set(TOPOLOGIES)  # it reaches for the one server itself
    if item.path.stem in ONE_CONNECTION:
        return set(TOPOLOGIES)
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
