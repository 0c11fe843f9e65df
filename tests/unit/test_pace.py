"""The pace: what it lets through, how it halves and how it comes back."""

from tests.support.sending import ToldTime

from meterdeck.core.services.pace import Pace


def sent_in(pace: Pace, time: ToldTime, seconds: float) -> int:
    """Take places one after the other for so long; return how many."""
    end, count = time.seconds + seconds, 0
    while True:
        time.seconds += pace.take()
        if time.seconds >= end:
            return count
        count += 1


def test_it_lets_its_rate_through() -> None:
    """A thousand a second, with no more than a tenth of it at once after a pause."""
    time = ToldTime()
    pace = Pace(1_000, clock=time.monotonic)

    assert 1_000 <= sent_in(pace, time, 1) <= 1_001
    time.seconds += 60
    assert sent_in(pace, time, 1) <= 1_101


def test_a_batch_takes_as_many_places_as_it_has_events() -> None:
    """A hundred at once, and the next batch waits for a hundred's time."""
    pace = Pace(1_000, clock=ToldTime().monotonic)

    assert pace.take(100) == 0
    assert pace.take(100) == 0.1


def test_it_halves_and_climbs_back_evenly() -> None:
    """Half at once, then a thirtieth of the whole each second."""
    time = ToldTime()
    pace = Pace(1_200, clock=time.monotonic)

    assert pace.slow_down(pace.epoch)
    assert pace.rate == 600
    time.seconds += 3
    assert pace.rate == 720
    time.seconds += 60
    assert pace.rate == 1_200


def test_what_was_sent_before_a_halving_does_not_halve_again() -> None:
    """Only a request of the slower time says that it is still too fast."""
    pace = Pace(1_000, clock=ToldTime().monotonic)
    before = pace.epoch

    assert pace.slow_down(before)
    assert not pace.slow_down(before)
    assert pace.rate == 500
    assert pace.slow_down(pace.epoch)
    assert pace.rate == 250


def test_it_never_stops_altogether_and_pauses_when_asked() -> None:
    """A hundredth is left, at least one a second; Retry-After holds all of it."""
    time = ToldTime()
    pace = Pace(1_000, clock=time.monotonic)

    for _ in range(20):
        pace.slow_down(pace.epoch)
    assert pace.rate == 10
    pace.slow_down(pace.epoch, 5.0)
    assert pace.take() == 5.0
