"""What was used, and when: over the ends of periods, resets, and times nobody saw."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from tests.support.trail import entry

from meterdeck.core.model.history import (
    DAY,
    HOUR,
    Jump,
    Reading,
    Readings,
    UsedLine,
    day_edges,
    hour_edges,
    used_line,
)
from meterdeck.core.model.known_readings import (
    hour_of,
    jumps_of,
    override_at,
    readings_of,
)
from meterdeck.core.model.periods import ENDLESS, calendar_month
from meterdeck.core.model.samples import Sample
from meterdeck.core.model.usage import Limit, LimitSource

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
NOVEMBER = calendar_month(NOW)


def ago(hours: float) -> datetime:
    """Return a moment some hours before now."""
    return NOW - hours * HOUR


def line(*values: tuple[float, int], jumps: tuple[Jump, ...] = ()) -> UsedLine:
    """Return the line through values, each some hours ago."""
    taken = tuple(Reading(ago(hours), value) for hours, value in values)
    return used_line([Readings(taken, jumps)])


uses = st.lists(st.integers(0, 10_000), min_size=2, max_size=40)
changes = st.lists(
    st.tuples(st.integers(1, 39), st.integers(-50_000, 50_000)), max_size=5
)


@given(uses, changes)
def test_what_operators_change_never_shows_as_use(
    used: list[int], changed: list[tuple[int, int]]
) -> None:
    """Whatever was added, taken away or reset: the line has what was used."""
    sums, value = [], 0
    jumps = [Jump(ago(40 - hour), by) for hour, by in changed if hour < len(used)]
    for hour, units in enumerate(used):
        value += units + sum(jump.by for jump in jumps if jump.at == ago(40 - hour))
        sums.append(Reading(ago(40 - hour), value))

    found = used_line([Readings(tuple(sums), tuple(jumps))])

    assert [total for _, total in found.points][-1] == sum(used[1:])


@given(uses, st.integers(1, 39))
def test_a_period_that_ends_is_no_fall_and_no_leap(used: list[int], end: int) -> None:
    """The counter starts at 0 and the line goes on where it was."""
    readings, value, periods = [Reading(ago(60), 0)], 0, []
    for hour, units in enumerate(used):
        value += units
        readings.append(Reading(ago(40 - hour), value))
        if hour == end:
            periods.append(Readings(tuple(readings)))
            readings, value = [Reading(ago(40 - hour), 0)], 0
    found = used_line([*periods, Readings(tuple(readings))])

    assert found.points[-1][1] == sum(used)
    rate = found.rate(HOUR)
    assert rate is None or rate.units <= max(used) + 1e-6


def test_a_counter_that_fell_by_itself_was_not_used_below_nothing() -> None:
    """A key that was deleted, units given back: a break, and no negative rate."""
    rate = line((3, 900), (2, 1000), (1, 20), (0, 50)).rate(3 * HOUR)

    assert rate is not None
    assert rate.units == 130


def test_a_level_may_fall() -> None:
    """A gauge's rate is how it moved, up or down."""
    readings = (Reading(ago(2), 500), Reading(ago(0), 400))
    rate = used_line([Readings(readings, falls=True)]).rate(2 * HOUR)

    assert rate is not None
    assert rate.per_hour == -50


def test_a_rate_says_over_how_long_it_is() -> None:
    """What is known for less says so; what nobody saw in between is not guessed."""
    young = line((0.5, 100), (0, 160)).rate(HOUR)
    unseen = line((12, 0), (0, 1200)).rate(HOUR)
    seen = line((12, 0), (1.5, 1000), (0.5, 1100), (0, 1150)).rate(HOUR)

    assert young is not None
    assert (young.per_hour, young.over, young.is_over(HOUR)) == (120, HOUR / 2, False)
    assert unseen is not None
    assert (unseen.per_hour, unseen.over) == (100, 12 * HOUR)
    assert seen is not None
    assert (seen.per_hour, seen.is_over(HOUR)) == (100, True)
    opened = line((12, 0), (0.3, 1000), (0, 1030)).rate(HOUR)
    assert opened is not None
    assert round(opened.per_hour) == 100
    assert line((0.05, 100), (0, 130)).rate(HOUR) is None
    assert line((0, 130)).rate(DAY) is None


def test_days_and_hours_have_what_was_used_in_them() -> None:
    """Together as much as the line rose; what is not known is None and not 0."""
    found = line((30, 0), (20, 100), (14.5, 430), (0, 1000))
    days = found.stretches(day_edges(ago(80), NOW))
    hours = found.stretches(hour_edges(NOW, 24))

    known = [each.units for each in days if each.units is not None]
    assert round(sum(known)) == 1000
    assert [each.units is None for each in days] == [True, True, False, False]
    assert [each.whole for each in days] == [False, False, False, True]
    assert (len(hours), hours[-1].end, hours[0].start) == (24, NOW, NOW.replace(
        day=20, hour=15, minute=0
    ))  # fmt: skip


def test_an_hour_that_was_looked_at_without_a_sample_had_no_use() -> None:
    """All of it was used after the last look, and none in the gap between samples."""
    first, last = hour_of(ago(10)), hour_of(ago(1))
    found = readings_of(
        NOVEMBER,
        [Sample(first, 100), Sample(last, 700)],
        range(first, last),
        value=700,
        until=NOW,
    )

    (before, used) = found[-3:-1]
    assert (hour_of(before.at), before.value) == (last - 1, 100)
    assert (hour_of(used.at), used.value) == (last, 700)
    assert found[0] == Reading(NOVEMBER.start, 0)
    assert readings_of(ENDLESS, [], [], value=3, until=NOW) == (Reading(NOW, 3),)


def test_the_trail_tells_what_was_changed_and_which_override_was_in_force() -> None:
    """Of the one counter; an override that had ended, or was taken away, is none."""
    later = "2026-11-20T00:00:00Z"
    trail = [
        entry("override:clear", "500", "none", at=ago(1)),
        entry("adjust:reset", "900", "0", at=ago(2)),
        entry("adjust:add", "0", "5", at=ago(2), period="2026-10"),
        entry("override:set", "none", "500", at=ago(3)),
        entry("override:set", "none", f"800 until {later}", at=ago(90)),
        entry("override:set", "none", "7", at=ago(90), resource="images"),
        entry("override:set", "none", "9 until 2026-11-20T00:00:00", at=ago(200)),
    ]

    assert jumps_of(trail, "api_calls", "2026-11") == (Jump(ago(2), -900),)
    limits = [override_at(trail, "api_calls", ago(h)) for h in (0.5, 2, 10, 80, 199)]
    assert limits == [
        None,
        Limit(500, LimitSource.OVERRIDE),
        None,
        Limit(800, LimitSource.OVERRIDE),
        Limit(9, LimitSource.OVERRIDE),
    ]
