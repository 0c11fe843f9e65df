"""What a filter that is being typed may become."""

import pytest
from tests.support.watching import CALLS

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter.completion import record_hints, tenant_hints
from meterdeck.core.model.filter.grammar import parse_filter
from meterdeck.core.model.filter.tenants import Vocabulary, check_filter

KNOWN = Vocabulary((CALLS,), ("free", "pro", "pro annual"))
HINTS = tenant_hints(KNOWN, ("At night", "late"))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("p", ["plan:"]),
        ("PL", ["plan:"]),
        ("plan:", ["plan:free", "plan:pro", 'plan:"pro annual"', "plan:none"]),
        ("acme !plan:p", ["acme !plan:pro"]),
        ("(plan:free,p", ["(plan:free,pro"]),
        ("plan:free,", ["plan:free,pro", 'plan:free,"pro annual"', "plan:free,none"]),
        ("status:past", ["status:past_due"]),
        ("api_calls.l", ["api_calls.left<", "api_calls.limit:"]),
        ("eta<2", ["eta<2h"]),
        ("worst:api", ["worst:api_calls"]),
        ('"acme pl', []),
        ("acme", []),
        ("zz:", []),
        ("@a", ["@At night"]),
    ],
)
def test_the_last_part_is_completed_and_the_rest_stays(
    text: str, first: list[str]
) -> None:
    """Fields with the sign they are used with, values of a field, saved views."""
    assert HINTS.complete(text) == first


def test_every_offer_is_a_filter_or_the_beginning_of_one() -> None:
    """Each field is known, and each value has a meaning."""
    for field in HINTS.fields:
        for value in field.values:
            check_filter(parse_filter(f"{field.start}{value}"), KNOWN)
        with pytest.raises(BadInput, match="no value stands after"):
            parse_filter(field.start)
        value = field.values[0] if field.values else "1"
        check_filter(parse_filter(f"{field.start}{value}"), KNOWN)


def test_records_are_completed_by_their_fields() -> None:
    """A list says which fields it has; their values are anything."""
    hints = record_hints(("tenant", "action"))

    assert hints.complete("acme a") == ["acme action:"]
    assert hints.complete("") == ["tenant:", "action:"]
