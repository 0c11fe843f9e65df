"""Where Stripe pushes events to, held against what a worker takes there."""

from dataclasses import replace

import pytest

from meterdeck.core.model.context import Mode
from meterdeck.core.model.destinations import Destination, judge_destinations
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.late_errors import ERROR_REPORT, LATE_ERRORS

URL = "https://meters.example.com/stripe?token=s3cret"
RIGHT = Destination("ed_1", URL, enabled=True, thin=True, events=LATE_ERRORS)


def test_an_endpoint_that_pushes_what_is_read_is_right() -> None:
    """Another one beside it does not matter; what its URL hides stays hidden."""
    other = replace(RIGHT, id="we_2", thin=False, events=("invoice.paid",))
    verdict = judge_destinations([other, RIGHT], Mode.LIVE)
    assert verdict.severity is Severity.OK
    assert verdict.found == (
        "ed_1 (meters.example.com/stripe) is enabled, and pushes thin events of 2 types"
    )
    every = judge_destinations([replace(RIGHT, events=("*",))], Mode.LIVE)
    assert (every.severity, "every type" in every.found) == (Severity.OK, True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"enabled": False}, "is disabled"),
        ({"thin": False, "version": "2024-04-10"}, "copies of objects in 2024-04-10"),
        ({"thin": False, "events": ("*",)}, "in the account's version"),
        ({"events": (ERROR_REPORT,)}, f"does not push {LATE_ERRORS[1]}"),
        ({"url": "http://meters.example.com/x"}, "is no https address"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_told(
    wrong: dict[str, object], words: str
) -> None:
    """A warning: what is not pushed is asked for."""
    changed = replace(RIGHT, **wrong)  # type: ignore[arg-type]  # by name
    verdict = judge_destinations([changed], Mode.LIVE)
    assert (verdict.severity, words in verdict.found) == (Severity.WARNING, True)
    assert LATE_ERRORS[0] in verdict.mend
    assert "s3cret" not in verdict.found


def test_an_endpoint_of_something_else_is_nobodys() -> None:
    """It is not called wrong; that none is the worker's is."""
    other = Destination("we_2", "https://shop.example.com/hook", True, False, ("x",))
    verdict = judge_destinations([other], Mode.TEST)
    assert (verdict.severity, "no endpoint" in verdict.found) == (
        Severity.WARNING,
        True,
    )
