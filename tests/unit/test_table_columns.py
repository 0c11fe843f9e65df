"""The columns of the tenant table: chosen, moved, sized, remembered."""

from __future__ import annotations

import random

import pytest

from meterdeck.tui.memory import Memory
from meterdeck.tui.widgets.column_draft import ColumnDraft
from meterdeck.tui.widgets.remembered_columns import RememberedColumns
from meterdeck.tui.widgets.table_columns import (
    KINDS,
    RESOURCE,
    Chosen,
    Look,
    arrange,
    every_key,
    fitting,
    read_columns,
    write_columns,
)

FIVE = ("calls", "disk", "images", "seats", "mail")
ROOM = 80 - 3
"""Cells for columns on 80: two are the marks, one the scroll bar."""


def keys(columns: list[Chosen]) -> list[str]:
    """The keys without the word in front of a resource's."""
    return [column.key.removeprefix(RESOURCE) for column in columns]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_chosen_columns_never_take_more_than_there_is(width: int) -> None:
    """Those that were sized keep their width; the last ones are left out."""
    rng = random.Random(width)  # noqa: S311  # repeatable
    for _ in range(300):
        some = rng.sample(every_key(FIVE), rng.randint(1, 15))
        chosen = [Chosen(key, rng.choice((0, 0, 20))) for key in some]
        made = arrange(width, chosen, FIVE)
        widths = [column.width for column in made.placed]

        assert sum(widths) <= width - 3
        assert len(widths) + made.left_out == len(chosen)
        assert [column.key for column in made.placed] == some[: len(widths)]
        for column, cells in zip(chosen[1:], widths[1:], strict=False):
            assert cells == 20 if column.width else cells >= column.begins


def test_with_five_resources_on_80_columns_the_user_says_which_are_seen() -> None:
    """The last one comes in where another leaves, and numbers need less than bars."""
    draft = ColumnDraft((), FIVE, 80)
    assert "mail" not in keys([e.column for e in draft.entries() if e.on])

    draft.turn("resource:calls")
    draft.turn("status")
    draft.turn("resource:mail")
    draft.carry("resource:mail", -9)
    for name in FIVE:
        draft.look(RESOURCE + name)
        draft.look(RESOURCE + name)

    placed = draft.arrangement.placed
    assert placed[0].key == "resource:mail"
    assert placed[0].look is Look.NUMBER
    assert "resource:calls" not in [column.key for column in placed]
    assert draft.arrangement.left_out == 0
    assert draft.used[1] == ROOM


def test_a_column_is_sized_from_what_it_has_and_back_to_what_there_is() -> None:
    """Not below the least it needs, nor beyond the widest there is."""
    draft = ColumnDraft((), FIVE, 80)
    draft.size("name", -1)
    first = draft.entries()[0]
    assert first.column.width == first.cells
    for _ in range(100):
        draft.size("name", -1)
    assert draft.entries()[0].cells == KINDS["name"].least
    draft.size("name", 0)
    assert draft.entries()[0].column.width == 0

    draft.back()
    assert draft.chosen == []
    assert draft.arrangement == fitting(80, (), FIVE)


def test_the_last_column_stays() -> None:
    """A table without columns would say nothing, and not how to get them back."""
    draft = ColumnDraft([Chosen("name")], FIVE, 80)
    draft.turn("name")

    assert keys(draft.chosen) == ["name"]


def test_columns_of_a_context_come_before_those_of_every_context() -> None:
    """And to keep some for every context takes this one's own away."""
    memory, name, both = Memory(None), [Chosen("name", 30)], [Chosen("eta")]
    one, other = (RememberedColumns(memory, each) for each in ("prod", "test"))
    assert one.read() == ([], False)

    one.keep(name, everywhere=True)
    one.keep(both, everywhere=False)
    assert (one.read(), other.read()) == ((both, False), (name, True))
    one.keep([], everywhere=False)
    assert one.read() == ([], False)
    one.keep(both, everywhere=True)
    assert (one.read(), other.read()) == ((both, True), (both, True))


@pytest.mark.parametrize(
    "hostile",
    [
        None, 3, "name", {"key": "name"}, [[]], [None, 3, "name"], [{"key": 3}],
        [{"key": "colour"}], [{"key": "resource:" + "x" * 999}], [{}],
    ],
)  # fmt: skip
def test_what_makes_no_sense_in_the_memory_is_left_out(hostile: object) -> None:
    """The file may be another version's, or anybody's."""
    memory = Memory(None)
    memory.put("columns", {"all": hostile, "contexts": hostile})

    assert RememberedColumns(memory, "prod").read()[0] == []


def test_a_remembered_width_or_look_there_cannot_be_is_the_automatic_one() -> None:
    """What can be read is kept, each column once."""
    wild = [
        {"key": "name", "width": -5, "look": "sound"},
        {"key": "name", "width": 30},
        {"key": "plan", "width": 10**9},
        {"key": "status", "width": True},
        {"key": "resource:calls", "width": 20, "look": "bar"},
    ]

    found = read_columns(wild)

    assert found == [
        Chosen("name"),
        Chosen("plan"),
        Chosen("status"),
        Chosen("resource:calls", 20, Look.BAR),
    ]
    assert read_columns(write_columns(found)) == found
