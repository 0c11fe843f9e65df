"""The language of filters: reading, writing, complaints, and records of any kind."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
    parse_filter,
    record_filter,
)

PLAIN = st.text("abzé09-_.@", min_size=1, max_size=6)
ANY = st.text(min_size=0, max_size=8)


def clause(op: Op) -> st.SearchStrategy[Node]:
    """A field compared by an operator."""
    most = 1 if op.orders else 3
    values = st.lists(ANY, min_size=1, max_size=most).map(tuple)
    return st.builds(Clause, PLAIN, st.just(op), values)


LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(Word, PLAIN),
    st.builds(Word, ANY, st.just(True)),
    st.sampled_from(Op).flatmap(clause),
)


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Something larger that contains `inner`."""
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Not, inner), st.builds(AllOf, parts), st.builds(AnyOf, parts)
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, grown, max_leaves=8))
def test_what_is_written_is_read_as_the_same(root: Node) -> None:
    """Every expression survives being written and read, hostile values included."""
    assert parse_filter(str(Filter(root))).root == root


@settings(max_examples=150, deadline=None)
@given(st.text('ab:=<>!|(),"\\ \n\x1b', max_size=12))
def test_any_text_is_an_expression_or_a_complaint_in_one_line(text: str) -> None:
    """Nothing else is raised, and no control character comes back."""
    complaint, again = "", ""
    try:
        again = str(parse_filter(text))
    except BadInput as error:
        complaint = str(error)

    assert complaint.isprintable()
    assert complaint or parse_filter(again) == parse_filter(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('plan:pro "ac', 'character 10: a quote is open; close it with "'),
        ("(acme", "character 1: a bracket is open; close it with )"),
        ("acme !", "character 6: nothing stands after the !"),
        ("plan:", "character 6: no value stands after plan:"),
        (">80%", "character 1: no field stands before >"),
        ("a | ", "something to look for is missing"),
        ("!" * 30 + "a", "too many brackets"),
        ("a" * 1001, "at most 1,000 characters"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str) -> None:
    """What, where, and what would be right."""
    with pytest.raises(BadInput) as caught:
        parse_filter(text)

    assert said in str(caught.value)


@dataclass(frozen=True)
class Entry:
    """A record of a list."""

    tenant: str
    action: str
    units: str
    at: str


FIELDS = {
    "tenant": lambda entry: entry.tenant,
    "action": lambda entry: entry.action,
    "units": lambda entry: entry.units,
    "at": lambda entry: entry.at,
}
ENTRIES = [
    Entry("Acme Ltd", "override:set", "12,500", "2026-11-26 10:00"),
    Entry("globex", "adjust:add", "900 calls", "2026-11-20 09:00"),
    Entry("Initech\x1b[2J", "reset", "", "2026-10-01 08:00"),
]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2]),
        ("ACME", [0]),
        ("acme globex", []),
        ("acme | globex", [0, 1]),
        ("!acme", [1, 2]),
        ('"acme ltd" | reset', [0, 2]),
        ("action:set", [0, 2]),
        ("action=reset", [2]),
        ("action!=reset,adjust:add", [0]),
        ("tenant:acme,init", [0, 2]),
        ("units>1000", [0]),
        ("units<=900", [1]),
        ("units<12,501", [0, 1]),
        ("at>=2026-11", [0, 1]),
        ("at < 2026-11-20", [2]),
        ('units=""', [2]),
        ("(acme | globex) !action:adjust", [0]),
        ("glbx", [1]),  # nothing contains it: its letters in order
        ('"glbx"', []),
        ("!glbx", [0, 1, 2]),
        ("initech\x1b", [2]),
    ],
)
def test_records_are_found_by_words_and_fields(text: str, rows: list[int]) -> None:
    """The same expressions work on every list, over the fields it has."""
    wanted = record_filter(text, FIELDS)

    assert wanted.rows(ENTRIES) == rows
    if "glbx" not in text:
        assert [row for row, entry in enumerate(ENTRIES) if wanted(entry)] == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenent:x", "no field tenent; did you mean tenant? valid are: tenant, action"),
        ("units>many", "units>many: neither a number nor a day"),
        ("units>1,5", 'units>"1,5": neither a number nor a day'),
    ],
)
def test_a_field_that_is_not_there_is_told_from_those_that_are(
    text: str, said: str
) -> None:
    """The complaint names the nearest field and all of them."""
    with pytest.raises(BadInput) as caught:
        record_filter(text, FIELDS)

    assert said in str(caught.value)
