"""What is logged of faults, by a clock that the test moves."""

import pytest

from meterdeck.core.errors import BrokenCounter, RedisUnreachable
from meterdeck.core.middleware.faults import Faults
from meterdeck.core.middleware.tally import Tally


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present."""
        return self.now


def test_a_server_that_comes_and_goes_is_one_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It ends with the first answer after a second without a fault."""
    clock = Clock()
    faults = Faults(Tally(), "allow", clock)
    for _ in range(50):
        faults.failed(RedisUnreachable("away"))
        clock.now += 0.9
        faults.answered()
    clock.now += 0.2
    faults.answered()
    faults.answered()

    assert caplog.messages == [
        "usage_outage_began rule=allow error=RedisUnreachable reason='away'",
        "usage_outage_ended requests_failed=50",
    ]


def test_the_same_kind_of_error_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next line says how many were left out."""
    clock, tally = Clock(), Tally()
    faults = Faults(tally, "refuse", clock)
    for _ in range(10):
        faults.failed(BrokenCounter("usage:acme:api_calls:2026-03", "a list"))
        clock.now += 5.9
    faults.rule_failed("cost", ValueError("x"))
    clock.now += 1.1
    faults.failed(BrokenCounter("usage:acme:api_calls:2026-03", "a list"))

    assert [each.rsplit(" ", 1)[1] for each in caplog.messages] == [
        "left_out=0",
        "left_out=0",
        "left_out=9",
    ]
    assert "callable=cost" in caplog.messages[1]
    assert (tally.faults, tally.rule_errors) == (11, 1)
