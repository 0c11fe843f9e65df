"""Saved views, as they are kept and found again."""

from pathlib import Path

import pytest
from tests.unit.test_fleet import CONTEXT

from meterdeck.core.errors import BadInput
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.memory import Memory
from meterdeck.tui.views import BUILT_IN, View, Views


def test_a_saved_view_is_there_at_the_next_start(tmp_path: Path) -> None:
    """It is found in any case, and by a beginning that is its alone."""
    path = tmp_path / "console.json"
    kept = View("Night", "plan:pro eta<2h", "name", True, GroupBy.RISK, own=True)
    Views(Memory(path)).save(kept)

    views = Views(Memory(path))
    assert views.find("NIGHT") == views.find("ni") == kept
    assert views.all() == (*BUILT_IN, kept)
    views.save(View("night", "acme"))
    assert [view.name for view in views.all() if view.own] == ["night"]
    views.delete("Night")
    assert views.all() == BUILT_IN


@pytest.mark.parametrize("name", ["", "@x", "at limit", "a" * 41, "a\x1b"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    """Empty, too long, unprintable, a view that is always there."""
    memory = Memory(None)

    with pytest.raises(BadInput):
        Views(memory).save(View(name, "acme"))

    assert memory.get("views") == {}


def test_what_was_not_written_by_us_is_left_out() -> None:
    """The file may have been edited; a view that is wrong stops nothing."""
    memory = Memory(None)
    good: dict[str, object] = {"filter": "acme", "order": "name", "group": 7}
    bad = {"a": 3, "b": {"filter": 1}, "c\x1b": good, "": good}
    memory.put("views", {**bad, "d": good})

    own = [view for view in Views(memory).all() if view.own]

    assert own == [View("d", "acme", "name", own=True)]


def test_what_is_not_there_is_told_and_what_always_is_stays() -> None:
    """The nearest name is offered; several that begin so are too many."""
    views = Views(Memory(None))

    with pytest.raises(BadInput, match="no view nera; did you mean near"):
        views.find("nera")
    with pytest.raises(BadInput, match="always there"):
        views.delete("near")
    with pytest.raises(BadInput, match="there is no view"):
        views.delete("nea")


def test_every_view_that_is_always_there_is_a_filter() -> None:
    """Of any fleet, whatever its resources."""
    fleet = Fleet(CONTEXT)

    for view in BUILT_IN:
        fleet.read_filter(view.filter)
        fleet.search(view.filter)
