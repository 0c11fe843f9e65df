"""docs/filters.md: every example is a filter that works, and nothing is left out."""

import re
from pathlib import Path

from tests.support.watching import CALLS, watch_context

from meterdeck.core.model.event_filter import EVENT_FIELDS
from meterdeck.core.model.filter.tenant_terms import LimitKind, State
from meterdeck.core.model.filter.tenants import PARTS
from meterdeck.core.model.usage import (
    Plan,
    PlanName,
    Resource,
    ResourceName,
)
from meterdeck.core.services.fleet import Fleet
from meterdeck.tui.catalogue_filter import CATALOGUE_FIELDS
from meterdeck.tui.views import BUILT_IN

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
DISK = Resource(ResourceName("storage_gb"), "Storage", "GB", scale=3)


def test_every_example_is_a_filter() -> None:
    """Of the tables' first columns, and of the commands that are shown."""
    plans = {PlanName(n): Plan(PlanName(n), n, {}) for n in ("pro", "team")}
    context = watch_context("redis://nowhere", resources=(CALLS, DISK), plans=plans)
    fleet = Fleet(context)
    rows = re.findall(r"^\| (`.*?`) \| ", PAGE, re.MULTILINE)
    examples = [text for row in rows for text in re.findall(r"`((?:[^`]|\\`)+)`", row)]
    examples += re.findall(r"--filter '(.*?)'", PAGE)

    assert len(examples) > 40
    for text in examples:
        fleet.read_filter(text.replace(r"\|", "|"))


def test_the_page_names_all_there_is() -> None:
    """States, kinds of limits, parts of a resource, views that are always there."""
    for state in State:
        assert f"`is:{state}`" in PAGE
    for kind in LimitKind:
        assert f"`limit:{kind}`" in PAGE
    for part in PARTS:
        assert f"`api_calls.{part}" in PAGE or part == "used"
    for name, fields in (
        ("events", EVENT_FIELDS),
        ("catalogue", CATALOGUE_FIELDS),
    ):
        assert f"| {name} | {', '.join(fields)} |" in PAGE
    for view in BUILT_IN:
        assert f"| {view.name} | `{view.filter}` |" in PAGE
