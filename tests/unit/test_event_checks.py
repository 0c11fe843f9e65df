"""What is found wrong with an event before it is sent."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.sending import NOW, event

from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.services.event_checks import problem_of

METER = MeterInfo("mtr_1", "api_requests", "Requests", "sum", active=True)


@pytest.mark.parametrize(
    "value", ["0", "1", "-5", "0.000000000012", "999999999999999", "-12345678.9012345"]
)
def test_a_good_event_has_no_problem(value: str) -> None:
    """Any sign, decimals, and up to 15 digits that count."""
    good = replace(event(), value=value, identifier="i" * 100)

    assert problem_of(good, METER, NOW) is None
    assert problem_of(good, None, None) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"customer": ""}, "check_customer"),
        ({"customer": "c" * 101}, "check_customer"),
        ({"event_name": ""}, "check_event_name"),
        ({"identifier": "i" * 101}, "check_identifier"),
        ({"value": ""}, "check_value"),
        ({"value": "1e3"}, "check_value"),
        ({"value": "٣"}, "check_value"),
        ({"value": "\x1b[2J"}, "check_value"),
        ({"value": "1000000000000000"}, "check_digits"),
        ({"value": "0.1234567890123456"}, "check_digits"),
        ({"timestamp": NOW - timedelta(days=35, seconds=1)}, "check_too_old"),
        ({"timestamp": NOW + timedelta(days=1)}, "check_too_new"),
    ],
)
def test_an_event_stripe_would_never_take_is_not_sent(
    change: dict[str, object], code: str
) -> None:
    """One sentence that says what is wrong, with nothing a terminal acts on."""
    bad = replace(event(), **change)  # type: ignore[arg-type]  # a field each

    problem = problem_of(bad, METER, NOW)

    assert problem is not None
    assert (problem.code, problem.wait_s) == (code, None)
    assert problem.message.isprintable()


def test_a_time_a_little_ahead_only_has_to_wait() -> None:
    """A server's clock was wrong: the event can be sent when its time has come."""
    early = replace(event(), timestamp=NOW + timedelta(hours=1))

    problem = problem_of(early, METER, NOW)

    assert problem is not None
    assert (problem.code, problem.wait_s) == ("check_too_new", 55 * 60)


def test_an_inactive_meter_is_named() -> None:
    """It is known to be off: nothing is sent to it."""
    problem = problem_of(event(), replace(METER, active=False), NOW)

    assert problem is not None
    assert problem.message == "the meter api_requests is not active in Stripe"
