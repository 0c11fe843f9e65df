"""Samples of a counter as they are kept beside it: few bytes, hour by hour.

A sample is kept only where the counter had moved. Those of the last day are an hour or
more apart; of the days before, the last one of each day is left. The newest is exact;
the others are rounded so that what was used in a usual hour, or day, takes one byte: to
about a hundredth of that, and errors do not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

HOURS = 24
"""Hours of which every sample is kept."""
DAYS = 62
"""Days of which one sample a day is kept; a period that is over may be as long ago."""
MOST_BYTES = 64
"""Of all samples of a counter; beyond, the oldest days go. Redis needs three times the
memory for a hash that holds longer values."""

_DAY_H = 24
_MOST = 4_096  # samples that are read of one text
_LONGEST = 10  # bytes of one number
_BITS = 6  # of a signed difference that takes one byte
_LARGEST_BITS = 53
_LATEST = 70_389_527  # the last hour of the year 9999


@dataclass(frozen=True, slots=True)
class Sample:
    """What a counter held at the beginning of an hour, or a little later.

    `hour` counts from 1970; what moved in between was used in the hours before.
    """

    hour: int
    value: int


@dataclass(frozen=True, slots=True)
class Samples:
    """A counter's samples, oldest first.

    Attributes:
        limit: The plan's limit when the last one was taken; None: it had none.
    """

    taken: tuple[Sample, ...] = ()
    limit: int | None = None

    def with_sample(self, sample: Sample, limit: int | None) -> Samples | None:
        """Return these and one more, thinned; None where nothing is to be added.

        Nothing is where the counter has not moved, or that hour has a sample already.
        """
        last = self.taken[-1] if self.taken else None
        if last is not None and (
            sample.hour <= last.hour or sample.value == last.value
        ):
            return None
        return kept(list(_thinned([*self.taken, sample])), limit)


def kept(taken: Sequence[Sample], limit: int | None) -> Samples:
    """Return samples as they are kept: on grids, in 64 bytes."""
    made = Samples(tuple(_rounded(taken)), limit)
    while len(write_samples(made)) > MOST_BYTES and len(made.taken) > HOURS:
        made = Samples(made.taken[1:], limit)
    return made


def _thinned(taken: Sequence[Sample]) -> Iterator[Sample]:
    newest = taken[-1].hour
    for sample, following in zip(taken, [*taken[1:], None], strict=True):
        if following is None or sample.hour > newest - HOURS:
            yield sample
        elif following.hour <= newest - _DAY_H * DAYS:
            continue  # the next one tells from when on it is known
        elif _day(sample) != _day(following):
            yield sample


def _rounded(taken: Sequence[Sample]) -> Iterator[Sample]:
    """Yield samples on the grids of hours and days, without those that say nothing.

    A grid is of a power of 2, and counted from 0: what lies on it already stays.
    """
    *older, last = taken
    days = [each for each in older if each.hour <= last.hour - HOURS]
    hours = older[len(days) :]
    fine = _exponent([*days[-1:], *hours, last])
    coarse = max(fine, _exponent(days))
    before: Sample | None = None
    for place, each in enumerate(older):
        bits = coarse if place < len(days) else fine
        value = (each.value + (1 << bits >> 1)) >> bits << bits
        if before is None or value != before.value:
            before = Sample(each.hour, value)
            yield before
    yield last


def _exponent(taken: Sequence[Sample]) -> int:
    """Return how many bits of differences are left out, so that most take one byte."""
    pairs = pairwise(taken)
    steps = sorted(abs(after.value - before.value) for before, after in pairs)
    usual = steps[len(steps) * 9 // 10] if steps else 0
    return max(0, usual.bit_length() - _BITS)


def _day(sample: Sample) -> int:
    """Return the day whose use a sample is of: at midnight that is the day before."""
    return (sample.hour - 1) // _DAY_H


def write_samples(samples: Samples) -> bytes:
    """Write samples as the Redis contract says: a few bytes each, nothing is lost."""
    limit = samples.limit
    made = bytearray(_number(0 if limit is None else limit + 1))
    if not samples.taken:
        return bytes(made)
    *older, last = samples.taken
    first = samples.taken[0]
    grid = _Grid.of(older, last.hour)
    made += _number(first.hour) + _number(last.hour - first.hour) + _signed(last.value)
    if not older:
        return bytes(made)
    made += _number(grid.coarse) + _number(grid.fine)
    made += _signed(first.value >> grid.bits(first))
    before = first
    for sample in samples.taken[1:]:
        gap = sample.hour - before.hour
        bits = grid.bits(sample)
        step = (sample.value >> bits) - (before.value >> bits)
        usual = gap == _usual_gap(before, last.hour)
        if sample is last:
            made += b"" if usual else b"\0" + _number(gap)
            break
        if not usual or step == 0:
            made += b"\0" + _number(gap)
        made += _signed(step)
        before = sample
    return bytes(made)


def read_samples(text: bytes) -> Samples:
    """Read what `write_samples` wrote.

    Raises:
        ValueError: It did not write that.
    """
    numbers = _Numbers(text)
    limit = numbers.next() - 1
    taken: list[Sample] = []
    if not numbers.ended:
        taken = _read_taken(numbers)
    return Samples(tuple(taken), None if limit < 0 else limit)


def _read_taken(numbers: _Numbers) -> list[Sample]:
    hour = numbers.next()
    last = Sample(hour + numbers.next(), numbers.signed())
    if last.hour > _LATEST:
        raise ValueError("samples of an hour that will never be")
    if numbers.ended:
        if hour != last.hour:
            raise ValueError("samples without the first one")
        return [last]
    grid = _Grid(numbers.next(), numbers.next(), last.hour)
    if max(grid.coarse, grid.fine) > _LARGEST_BITS:
        raise ValueError("samples on too coarse a grid")
    bits = grid.bits(Sample(hour, 0))
    taken = [before := Sample(hour, numbers.signed() << bits)]
    while not numbers.ended:
        gap, step = _usual_gap(before, last.hour), numbers.signed()
        if step == 0:
            gap = numbers.next()
            if numbers.ended:
                break
            step = numbers.signed()
        if gap <= 0 or before.hour + gap >= last.hour or len(taken) >= _MOST:
            raise ValueError("samples that do not follow one another")
        bits = grid.bits(Sample(before.hour + gap, 0))
        value = ((before.value >> bits) + step) << bits
        taken.append(before := Sample(before.hour + gap, value))
    if before.hour >= last.hour:
        raise ValueError("samples that end too late")
    return [*taken, last]


@dataclass(frozen=True, slots=True)
class _Grid:
    """How many bits of values are left out: those of older days, and of hours."""

    coarse: int
    fine: int
    newest: int

    @classmethod
    def of(cls, older: Sequence[Sample], newest: int) -> _Grid:
        """Return the grids that values lie on."""
        days = [each for each in older if each.hour <= newest - HOURS]
        fine = _zeros([*days[-1:], *older[len(days) :]])
        return cls(_zeros(days), fine, newest)

    def bits(self, sample: Sample) -> int:
        """Return the bits left out of a sample."""
        return self.coarse if sample.hour <= self.newest - HOURS else self.fine


def _zeros(taken: Sequence[Sample]) -> int:
    """Return how many bits are 0 at the end of all values."""
    together = 0
    for each in taken:
        together |= abs(each.value)
    if not together:
        return 0
    return min((together & -together).bit_length() - 1, _LARGEST_BITS)


def _usual_gap(before: Sample, newest: int) -> int:
    return 1 if before.hour > newest - HOURS - _DAY_H else _DAY_H


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _signed(value: int) -> bytes:
    return _number(value * 2 if value >= 0 else -value * 2 - 1)


class _Numbers:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._text)

    def next(self) -> int:
        value = shift = 0
        for byte in self._text[self._at : self._at + _LONGEST]:
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
        raise ValueError("a number that does not end")

    def signed(self) -> int:
        value = self.next()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2
