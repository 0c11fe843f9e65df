"""Filters over meter events."""

from dataclasses import replace

import pytest
from tests.unit.test_ledger import line

from meterdeck.core.errors import BadInput
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_filter import EVENT_FIELDS, event_filter, event_hints
from meterdeck.core.model.filter import parse_filter
from meterdeck.core.model.ledger import EventFilter

ACCEPTED = line(1)
REFUSED = replace(
    line(2), state=EventState.REFUSED, message="no such customer", code="gone"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ACME", [ACCEPTED, REFUSED]),
        ("customer !acme", []),
        ('"such customer"', [REFUSED]),
        ("state:refused", [REFUSED]),
        ("state=accepted", [ACCEPTED]),
        ("tenant:acme code:gone", [REFUSED]),
        ("value>4 value<6", [ACCEPTED, REFUSED]),
        ("source:test", []),
        ("at<2026-11-25", []),
    ],
)
def test_events_are_found_by_words_and_fields(text: str, found: list[object]) -> None:
    """The ledger's own filter takes an expression beside states and sources."""
    wanted = EventFilter(expression=text)

    assert [each for each in (ACCEPTED, REFUSED) if wanted.takes_line(each)] == found


def test_what_is_offered_for_events_can_be_asked_for() -> None:
    """Every field with its values; one that is not there is told from them."""
    for field in event_hints().fields:
        for value in field.values or ("x",):
            event_filter(f"{field.start}{value}")
            parse_filter(f"{field.start}{value}")
    states = event_hints().complete("state:")

    assert len(event_hints().fields) == len(EVENT_FIELDS)
    assert states == [f"state:{state}" for state in EventState]
    with pytest.raises(BadInput, match="no field stat; did you mean state"):
        event_filter("stat:dead")
