"""Text, bars and words as they are painted."""

from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from meterdeck.tui import phrases
from meterdeck.tui.render import Align, Level, Line, bar, fit, level_of, sparkline
from meterdeck.tui.widgets.line_view import common_end

PLAIN = Style(color="red")


@pytest.mark.parametrize(
    "text",
    ["plain", "株式会社みどり建設", "N" * 64, "\x1b[31mred", "é" * 3, "🚀🚀🚀🚀🚀", ""],
)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 20])
def test_a_field_takes_exactly_its_cells(text: str, width: int) -> None:
    """Wide characters, long names and control characters fill no more and no less."""
    assert cell_len(fit(text, width)) == width


def test_cut_text_ends_in_an_ellipsis() -> None:
    """What does not fit says so."""
    assert fit("Northwind", 6) == "North…"
    assert fit("7", 3, Align.RIGHT) == "  7"


def test_a_control_character_is_shown_and_not_sent() -> None:
    """An escape sequence in a name becomes visible text."""
    assert "\x1b" not in fit("\x1b[2J", 10)


def test_a_line_joins_runs_of_one_style() -> None:
    """Each style change costs bytes at the terminal: neighbours are joined."""
    strip = Line().add("a", PLAIN).add("b", PLAIN).strip(4, PLAIN)

    assert len(list(strip)) == 1
    assert strip.text == "ab  "


@pytest.mark.parametrize(
    ("percent", "filled"),
    [(0, ""), (1, "╸"), (50, "━━━━━"), (55, "━━━━━╸"), (99, "━" * 9 + "╸")],
)
def test_a_bar_is_filled_in_half_cells(percent: int, filled: str) -> None:
    """Anything above 0 is seen, and only 100 % fills the bar."""
    full, rest = bar(percent, 10)

    assert full == filled
    assert len(full + rest) == 10


def test_a_bar_over_its_limit_is_full_and_no_longer() -> None:
    """117 % does not paint over the next column."""
    assert bar(117, 10) == ("━" * 10, "")


@pytest.mark.parametrize(
    ("percent", "level"),
    [
        (0, Level.CALM), (70, Level.CALM), (71, Level.NEAR), (90, Level.NEAR),
        (91, Level.HIGH), (99, Level.HIGH), (100, Level.FULL), (250, Level.FULL),
    ],
)  # fmt: skip
def test_the_level_changes_above_70_and_90_percent(percent: int, level: Level) -> None:
    """Yellow above 70 %, red above 90 %, full at 100 %."""
    assert level_of(percent) is level


def test_every_level_but_calm_has_a_sign_of_its_own() -> None:
    """Without colour the sign still tells the level."""
    assert [level.sign for level in Level] == ["", "!", "!!", "OVER", "FULL"]


def test_a_sparkline_scales_to_its_largest_sample() -> None:
    """Nothing used is a dot, not the lowest column."""
    assert sparkline([0, 1, 50, 100]) == "·▁▄▇"


def test_only_what_differs_at_the_left_is_sent() -> None:
    """The common end of two lines is found by cells, wide ones included."""
    old = Strip([Segment(" 42% ━━株 ", PLAIN)])
    new = Strip([Segment(" 43% ━━株 ", PLAIN)])

    assert common_end(new, old) == len("% ━━") + 2 + 1


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(0), "now"), (timedelta(seconds=45), "45s"),
        (timedelta(minutes=12), "12m"), (timedelta(hours=3, minutes=12), "3h 12m"),
        (timedelta(days=8, hours=9), "8d 9h"), (timedelta(days=365), "365d"),
    ],
)  # fmt: skip
def test_a_length_of_time_has_two_units(length: timedelta, said: str) -> None:
    """Countdowns are short and exact enough."""
    assert phrases.span(length) == said


@pytest.mark.parametrize(
    ("per_second", "said"),
    [(0, "–"), (20, "1.2k/min"), (0.01, "36/h"), (0.0001, "9/d")],
)
def test_a_burn_rate_uses_the_unit_that_says_something(
    per_second: float, said: str
) -> None:
    """Slow counters are told by the hour or the day."""
    assert phrases.rate(per_second) == said


def test_a_date_names_its_year_only_when_it_is_another() -> None:
    """`1 Dec` this year, `1 Jan 27` in the next."""
    now = datetime(2026, 11, 22, tzinfo=UTC)

    assert phrases.day(datetime(2026, 12, 1, tzinfo=UTC), now) == "1 Dec"
    assert phrases.day(datetime(2027, 1, 1, tzinfo=UTC), now) == "1 Jan 27"
