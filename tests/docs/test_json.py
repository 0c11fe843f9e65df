"""docs/reference/schemas.json has every command that prints JSON.

What they really print is held against it wherever the tests of the command line run a
command with `--json` (tests/integration/cli/conftest.py), and here for a few.
"""

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from tests.docs.pages import ROOT
from tests.integration.cli.test_read_only import leaves
from tests.support.contexts import redis_context
from tests.support.schemas import definitions, problems
from tests.support.well import NOW, WELL

from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.health import FleetHealth
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.tui.cli.commands import build_parser
from meterdeck.tui.cli.cost_form import cost_form
from meterdeck.tui.cli.health import form


def test_every_command_that_prints_json_has_a_schema() -> None:
    """And the file has none of a command that there is not."""
    having = {
        name
        for name, parser in leaves(build_parser([]))
        if any("--json" in each.option_strings for each in parser._actions)
    }
    shared = {name for name in definitions() if name.startswith("a ")}

    assert set(definitions()) - shared == having | {"catalogue", "error"}


def test_every_schema_is_held_against_what_its_command_prints() -> None:
    """A file of the command line's tests names the command, and asks for `--json`."""
    left = {name for name in definitions() if not name.startswith("a ")}
    for path in (ROOT / "tests" / "integration" / "cli").glob("*.py"):
        words = {
            word
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            for word in node.value.split()
        }
        if "--json" in words:
            left = {name for name in left if not set(name.split()) <= words}

    assert left == set()


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ({}, "error has no error"),
        ({"error": {"type": "NotFound"}}, "error.error has no message"),
        ({"error": {"type": 3, "message": ""}}, "error.error.type is 3, not string"),
        (
            {"error": {"type": "", "message": "", "more": 1}},
            "error.error.more is not in the schema",
        ),
    ],
)
def test_what_is_not_as_the_schema_says_is_found(printed: object, problem: str) -> None:
    """A missing key, another type, a key that is not documented."""
    assert problem in problems(["error"], printed)


def lacking(whole: Any) -> Iterator[tuple[str, Any]]:
    """Yield a dataclass again and again, each time without something it may lack."""
    hints = get_type_hints(type(whole))
    for each in fields(whole):
        value = getattr(whole, each.name)
        if NoneType in get_args(hints[each.name]):
            yield each.name, replace(whole, **{each.name: None})
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts[:1] if is_dataclass(next(iter(parts), None)) else ():
            for name, less in lacking(part):
                changed = (less, *value[1:]) if isinstance(value, tuple) else less
                yield f"{each.name}.{name}", replace(whole, **{each.name: changed})


def test_health_may_lack_whatever_is_not_known() -> None:
    """A server that does not answer, a worker that said nothing, no report read yet."""
    context = redis_context("redis://127.0.0.1:1")
    without: list[tuple[str, FleetHealth]] = [("", WELL), *lacking(WELL)]
    found = {
        what: wrong
        for what, health in without
        if (wrong := problems(["health"], form(context, health, (), sound=True)))
    }

    assert found == {}
    assert {"stripe", "stripe.reports_read_at", "redis.servers"} < dict(without).keys()


def test_a_cost_may_lack_a_subscription() -> None:
    """Of a tenant that has none there is a problem to tell, and nothing to add up."""
    told = {"context": "c", "mode": "test", "tenant": None}
    cost = TenantCost(Tenant(TenantId("acme"), "Acme"), NOW, problem="no subscription")

    assert problems(["cost"], {**told, **cost_form(cost)}) == []
