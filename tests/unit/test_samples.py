"""Samples of a counter: few bytes, exact, hour by hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.model.samples import (
    DAYS,
    HOURS,
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
    """Thinning takes away only what is older than a day and not the day's last."""
    every: list[Sample] = []
    hour, value = FIRST, 0
    for gap, units in changes:
        hour, value = hour + gap, value + units
        if not every or every[-1].value != value:
            every.append(Sample(hour, value))
    newest = every[-1].hour if every else 0
    lasts = {(each.hour - 1) // 24: each for each in every}.values()
    kept = taken(*changes).taken

    assert set(kept) <= set(every)
    assert {s for s in every if s.hour > newest - HOURS} <= set(kept)
    assert {s for s in lasts if s.hour > newest - 24 * DAYS} <= set(kept)
    assert {s for s in kept if s.hour <= newest - HOURS} <= set(lasts)


def test_a_counter_that_is_used_every_hour_takes_few_bytes() -> None:
    """A month of it, a thousand units an hour, and no byte for a gap."""
    day, month = (write_samples(taken(*[(1, 1000)] * n)) for n in (24, 24 * 31))
    seldom = write_samples(taken(*[(24 * 10, 5)] * 3))

    assert (len(day) < 65, len(month) < 150, len(seldom) < 22) == (True, True, True)


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
