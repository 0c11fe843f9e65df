"""RateLimit fields at the edges of what a structured field can say."""

import json
from datetime import UTC, datetime

import pytest
from tests.integration.middleware.structured_fields import parse_list

from meterdeck.core.middleware.answers import quota_exceeded
from meterdeck.core.middleware.charging import Settled
from meterdeck.core.middleware.fields import rate_limit_fields, seconds_left
from meterdeck.core.model.decisions import Decision, ResourceDecision
from meterdeck.core.model.periods import ENDLESS, Period
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName

DAY = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), "x")
WEEK = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC), "y")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def decided(
    name: str, used: int, limit: int | None, period: Period = DAY
) -> ResourceDecision:
    """Return what was decided for one resource; refused where it is used up."""
    left = None if limit is None else max(0, limit - used)
    rule = Limit(limit, LimitSource.PLAN)
    return ResourceDecision(ResourceName(name), used, rule, left, period, left == 0)


def fields(*resources: ResourceDecision) -> list[dict[str, dict[str, int]]]:
    """Return both fields of a decision, read back."""
    found = rate_limit_fields(Decision(True, resources, "id", False), NOON)
    return [parse_list(value.decode("ascii")) for _, value in found]


def test_each_limited_resource_is_an_item_of_both_lists() -> None:
    """Unlimited ones are left out."""
    policy, state = fields(
        decided("calls", 3, 10), decided("all", 9, None), decided("gb", 1, 4, WEEK)
    )

    assert policy == {"calls": {"q": 10, "w": 86_400}, "gb": {"q": 4, "w": 604_800}}
    assert state == {"calls": {"r": 7, "t": 43_200}, "gb": {"r": 3, "t": 561_600}}


def test_numbers_stay_within_an_integers_fifteen_digits() -> None:
    """A limit of 2^53 is told as the largest number that a field can hold."""
    policy, state = fields(decided("calls", -5, 2**53))

    assert policy["calls"]["q"] == state["calls"]["r"] == 999_999_999_999_999


@pytest.mark.parametrize(
    ("name", "told"),
    [('a"b\\c', 'a"b\\c'), ("größe", "gr%C3%B6%C3%9Fe"), ("a\r\nb: c", "a%0D%0Ab: c")],
)
def test_a_resources_name_cannot_break_out_of_its_string(name: str, told: str) -> None:
    """Quotes are escaped; what no String can hold is percent-encoded."""
    policy, state = fields(decided(name, 0, 1))

    assert list(policy) == list(state) == [told]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 1, 23, 59, 58, 1, tzinfo=UTC), 2),
        (datetime(2026, 3, 2, tzinfo=UTC), 1),
        (datetime(2026, 3, 9, tzinfo=UTC), 1),
        (datetime(2026, 2, 1, tzinfo=UTC), 86_400),
    ],
)
def test_what_is_left_of_a_period_is_from_one_second_to_its_length(
    now: datetime, left: int
) -> None:
    """Also where this host's clock and the server's do not agree."""
    assert seconds_left(DAY, now) == left


def test_a_refusal_is_about_the_resource_that_is_back_last() -> None:
    """Coming back earlier would be refused again; all that refuse are named."""
    resources = (decided("a", 5, 5), decided("b", 9, 9, WEEK), decided("c", 0, 5))
    refused = Decision(False, resources, "id", False)
    answer = quota_exceeded(Settled("acme", 1, refused), NOON)

    headers = dict(answer.headers)
    assert headers[b"retry-after"] == b"561600"
    assert b'"violated-policies": ["a", "b"]' in answer.body
    assert b'"resource": "b"' in answer.body
    assert b"acme" not in answer.body


def test_a_gauge_has_no_window_and_nobody_is_told_when_to_come_back() -> None:
    """A level does not reset; beside other refusals it is the one that lasts."""
    policy, state = fields(decided("disk", 3, 10, ENDLESS))
    refused = (decided("disk", 4, 4, ENDLESS), decided("week", 9, 9, WEEK))
    settled = Settled("acme", 2, Decision(False, refused, "id", False))

    answer = quota_exceeded(settled, NOON)
    told = json.loads(answer.body)

    assert policy == {"disk": {"q": 10}}
    assert state == {"disk": {"r": 7}}
    assert "retry-after" not in {name.decode() for name, _ in answer.headers}
    assert told["resource"] == "disk"
    assert "resets_at" not in told
    assert told["detail"].endswith("of disk; 0 of 4 are left.")


def test_a_refusal_without_a_reason_is_still_an_answer() -> None:
    """A counter that only says no gives a 429 that promises no time."""
    answer = quota_exceeded(Settled("acme", 1, Decision(False, (), "id", False)), NOON)

    assert answer.status == 429
    assert b"retry-after" not in dict(answer.headers)
