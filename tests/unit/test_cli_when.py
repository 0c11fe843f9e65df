"""Moments as people write them, in UTC."""

from datetime import UTC, datetime

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.tui.cli.when import parse_since, parse_until, show_moment

NOW = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-27", "2026-11-28T00:00+00:00"),
        ("2026-11-25", "2026-11-26T00:00+00:00"),
        ("2026-11-27T18:00Z", "2026-11-27T18:00+00:00"),
        ("2026-11-27T18:00", "2026-11-27T18:00+00:00"),
        ("2026-11-27 18:00+02:00", "2026-11-27T16:00+00:00"),
        ("3d", "2026-11-28T14:30+00:00"),
        ("12h", "2026-11-26T02:30+00:00"),
        ("45m", "2026-11-25T15:15+00:00"),
        ("2w", "2026-12-09T14:30+00:00"),
        ("friday", "2026-11-28T00:00+00:00"),
        ("Fri", "2026-11-28T00:00+00:00"),
        ("wednesday", "2026-12-03T00:00+00:00"),
        ("tuesday", "2026-12-02T00:00+00:00"),
        ("today", "2026-11-26T00:00+00:00"),
        ("tomorrow", "2026-11-27T00:00+00:00"),
    ],
)
def test_a_moment_is_read(text: str, moment: str) -> None:
    """A day means its end, a weekday the next one, no zone means UTC."""
    assert parse_until(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "fr",
        "0d",
        "3",
        "3y",
        "-3d",
        "2026-13-01",
        "27.11.2026",
        "9999-12-31",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The sentence shows how to write one."""
    with pytest.raises(BadInput, match=r"write it like 2026-11-27, .*\(UTC\)"):
        parse_until(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-24", "2026-11-25T14:30Z"])
def test_the_past_is_refused(text: str) -> None:
    """It says what time it is."""
    with pytest.raises(BadInput, match="it is Wed 2026-11-25 14:30 UTC now"):
        parse_until(text, NOW)


def test_a_moment_is_shown_with_its_weekday() -> None:
    """So that a mistake of a week is seen."""
    assert show_moment(NOW) == "Wed 2026-11-25 14:30 UTC"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", "2026-11-20T00:00+00:00"),
        ("2026-11-20T18:00Z", "2026-11-20T18:00+00:00"),
        ("2026-11-20 18:00+02:00", "2026-11-20T16:00+00:00"),
        ("3d", "2026-11-22T14:30+00:00"),
        ("45m", "2026-11-25T13:45+00:00"),
        ("Today", "2026-11-25T00:00+00:00"),
        ("yesterday", "2026-11-24T00:00+00:00"),
    ],
)
def test_a_moment_in_the_past_is_read(text: str, moment: str) -> None:
    """A day means its start, a span is ago."""
    assert parse_since(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "friday",
        "tomorrow",
        "0d",
        "3",
        "0001-01-01T00:00+23:59",
        "9999-12-31T23:59-23:59",
    ],
)
def test_what_is_no_moment_in_the_past_is_refused(text: str) -> None:
    """The sentence shows how to write one."""
    with pytest.raises(BadInput, match=r"write it like 2026-11-27, .*\(UTC\)"):
        parse_since(text, NOW)
