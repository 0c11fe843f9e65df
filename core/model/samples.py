"""Samples of a counter as they are kept beside it: few bytes, exact, hour by hour.

A sample is kept only where the counter had moved. Those of the last day are an hour or
more apart; of the days before, the last one of each day is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HOURS = 24
"""Hours of which every sample is kept."""
DAYS = 62
"""Days of which one sample a day is kept; a period that is over may be as long ago."""

_DAY_H = 24
_MOST = 4_096  # samples that are read of one text
_LONGEST = 10  # bytes of one number


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
        return Samples(tuple(_thinned([*self.taken, sample])), limit)


def _thinned(taken: Sequence[Sample]) -> Iterator[Sample]:
    newest = taken[-1].hour
    for sample, following in zip(taken, [*taken[1:], None], strict=True):
        if following is None or sample.hour > newest - HOURS:
            yield sample
        elif following.hour <= newest - _DAY_H * DAYS:
            continue  # the next one tells from when on it is known
        elif _day(sample) != _day(following):
            yield sample


def _day(sample: Sample) -> int:
    """Return the day whose use a sample is of: at midnight that is the day before."""
    return (sample.hour - 1) // _DAY_H


def write_samples(samples: Samples) -> bytes:
    """Write samples as the Redis contract says: a few bytes each.

    Numbers are LEB128, signed ones zigzag. First the limit and 1, or 0 for none; then
    the first sample's hour and value, and of each other one how much it differs. An
    hour later is not written, nor a day among those that lie two days back or more;
    another difference of hours follows a 0.
    """
    limit = samples.limit
    made = bytearray(_number(0 if limit is None else limit + 1))
    if not samples.taken:
        return bytes(made)
    first, newest = samples.taken[0], samples.taken[-1].hour
    made += _number(first.hour) + _number(newest - first.hour) + _signed(first.value)
    before = first
    for sample in samples.taken[1:]:
        gap, change = sample.hour - before.hour, sample.value - before.value
        if gap != _usual_gap(before, newest) or change == 0:
            made += b"\0" + _number(gap)
        made += _signed(change)
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
        hour = numbers.next()
        newest = hour + numbers.next()
        taken.append(before := Sample(hour, numbers.signed()))
        while not numbers.ended:
            gap, change = _usual_gap(before, newest), numbers.signed()
            if change == 0:
                gap, change = numbers.next(), numbers.signed()
            if gap <= 0 or len(taken) >= _MOST:
                raise ValueError("samples that do not follow one another")
            before = Sample(before.hour + gap, before.value + change)
            taken.append(before)
        if before.hour != newest:
            raise ValueError("samples that end too early, or too late")
    return Samples(tuple(taken), None if limit < 0 else limit)


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
