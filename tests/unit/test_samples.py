"""Samples of a counter: few bytes, exact, hour by hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.model.samples import (
    DAYS,
    HOURS,
    MOST_BYTES,
    Sample,
    Samples,
    read_samples,
    write_samples,
)

FIRST = 493_000
steps = st.lists(
    st.tuples(st.integers(1, 400), st.integers(-(2**40), 2**53)), max_size=60
)


def taken(*changes: tuple[int, int]) -> Samples:
    """Return samples taken so many hours and units after one another."""
    samples, hour, value = Samples(), FIRST, 0
    for gap, units in changes:
        hour, value = hour + gap, value + units
        samples = samples.with_sample(Sample(hour, value), 1000) or samples
    return samples


@given(steps, st.none() | st.integers(0, 2**53))
def test_samples_are_read_as_they_were_written(
    changes: list[tuple[int, int]], limit: int | None
) -> None:
    """Whatever a counter did, rose, fell or stood still, and whenever."""
    samples = Samples(taken(*changes).taken, limit)

    assert read_samples(write_samples(samples)) == samples


@given(steps)
def test_the_last_day_is_kept_hour_by_hour_and_older_days_by_their_last(
    changes: list[tuple[int, int]],
) -> None:
    """What is left lies near what was there, and the newest is exact."""
    every: dict[int, int] = {}
    hour, value, newest = FIRST, 0, 0
    for gap, units in changes:
        hour, value = hour + gap, value + units
        if not every or every[newest] != value:
            every[newest := hour] = value
    kept = taken(*changes).taken
    near = (max(every.values(), default=0) - min(every.values(), default=0)) / 32 + 1

    assert not every or kept[-1] == Sample(newest, every[newest])
    assert all(abs(each.value - every[each.hour]) <= near for each in kept)
    lasts = {(hour - 1) // 24: value for hour, value in every.items()}
    older = [each for each in kept if each.hour <= newest - HOURS]
    # What a grid does not tell apart is as good as the day's last.
    assert all(abs(each.value - lasts[(each.hour - 1) // 24]) <= near for each in older)
    assert len(kept) <= HOURS + DAYS


def test_a_counter_that_is_used_every_hour_takes_few_bytes() -> None:
    """A month of it, whatever an hour has: no byte for a gap, one for what was used."""
    for most in (5, 1000, 10**9):
        uses = [(1, n * 7919 % most + 1) for n in range(24 * 31)]
        month, total = taken(*uses), sum(units for _, units in uses)

        assert len(write_samples(taken(*uses[:24]))) <= 40
        assert len(write_samples(month)) <= MOST_BYTES
        assert month.taken[-1].value == total
        (hours_ago,) = [s for s in month.taken if s.hour == month.taken[-1].hour - 20]
        used = sum(units for _, units in uses[-20:])
        assert abs(total - hours_ago.value - used) <= most / 60 + 1


def test_a_second_sample_of_an_hour_and_one_of_the_same_value_are_none() -> None:
    """So two workers write one, and an idle counter costs nothing."""
    samples = taken((0, 5))

    assert samples.with_sample(Sample(FIRST, 9), None) is None
    assert samples.with_sample(Sample(FIRST + 3, 5), None) is None


@given(st.binary(max_size=40))
def test_text_that_is_not_samples_is_refused_or_read_and_never_crashes(
    text: bytes,
) -> None:
    """Another program may have written anything there."""
    try:
        read = read_samples(text)
    except ValueError:
        return
    assert all(
        one.hour < other.hour
        for one, other in zip(read.taken, read.taken[1:], strict=False)
    )


def test_an_unended_number_is_refused() -> None:
    """A cut text is not taken for a shorter one."""
    with pytest.raises(ValueError, match="does not end"):
        read_samples(b"\x80")


def test_an_hour_beyond_all_calendars_is_refused() -> None:
    """Else whoever makes a moment of it ends with an error of its own."""
    with pytest.raises(ValueError, match="never be"):
        read_samples(write_samples(Samples((Sample(10**12, 5),))))
