"""Pens: how a cell is painted, and the shortest way from one pen to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_OFF = {1: 22, 2: 22, 3: 23, 4: 24, 5: 25, 7: 27, 8: 28, 9: 29}
"""What takes an attribute back, by its number."""
_SEEN_IN_BLANKS = frozenset({4, 7, 9})
"""Underlined, reversed and struck blanks show; bold ones do not."""
_NOTHING = ""


@dataclass(frozen=True, slots=True)
class Pen:
    """Attributes and colours, the latter as a terminal is told them."""

    attributes: frozenset[int] = frozenset()
    colour: str = _NOTHING
    ground: str = _NOTHING


class Pens:
    """Every pen ever used, by number; 0 is the terminal's own."""

    DEFAULT = 0

    def __init__(self) -> None:
        self._pens = [Pen()]
        self._numbers = {self._pens[0]: 0}
        self._read: dict[str, int | None] = {"": 0, "0": 0}
        self._blanks = {0: 0}
        self._under: dict[tuple[int, int], int] = {}
        self._ways: dict[tuple[int, int], str] = {}

    def number(self, parameters: str) -> int | None:
        """Return the pen that `ESC [ parameters m` makes of the terminal's own.

        None where that is no attribute or colour that is known here.
        """
        try:
            return self._read[parameters]
        except KeyError:
            pen = _read(parameters)
            number = None if pen is None else self._number(pen)
            self._read[parameters] = number
            return number

    def blank(self, number: int) -> int:
        """Return the pen a blank looks the same with: most have only a ground."""
        try:
            return self._blanks[number]
        except KeyError:
            pen = self._pens[number]
            plain = number
            if not pen.attributes & _SEEN_IN_BLANKS:
                plain = self._number(Pen(ground=pen.ground))
            self._blanks[number] = plain
            return plain

    def under(self, before: int, blank: int) -> int:
        """Return the pen to write a blank with, the nearest to the one before."""
        try:
            return self._under[before, blank]
        except KeyError:
            was, wanted = self._pens[before], self._pens[blank]
            seen = wanted.attributes & _SEEN_IN_BLANKS
            number = blank
            if not seen:
                kept = was.attributes - _SEEN_IN_BLANKS
                number = self._number(Pen(kept, was.colour, wanted.ground))
            self._under[before, blank] = number
            return number

    def way(self, before: int, after: int) -> str:
        """Return what turns one pen into another."""
        try:
            return self._ways[before, after]
        except KeyError:
            way = _way(self._pens[before], self._pens[after])
            self._ways[before, after] = way
            return way

    def _number(self, pen: Pen) -> int:
        number = self._numbers.get(pen)
        if number is None:
            number = self._numbers[pen] = len(self._pens)
            self._pens.append(pen)
        return number


def _read(parameters: str) -> Pen | None:
    attributes: set[int] = set()
    colour = ground = _NOTHING
    codes = iter(parameters.split(";"))
    for code in codes:
        number = int(code or "0")
        if number in _OFF:
            attributes.add(number)
        elif number in (38, 48):
            told = _long(code, codes)
            if told is None:
                return None
            colour, ground = (told, ground) if number == 38 else (colour, told)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            colour = code
        elif 40 <= number <= 47 or 100 <= number <= 107:
            ground = code
        elif number == 39:
            colour = _NOTHING
        elif number == 49:
            ground = _NOTHING
        else:
            return None
    return Pen(frozenset(attributes), colour, ground)


def _long(code: str, codes: Iterator[str]) -> str | None:
    kind = next(codes, "")
    count = {"5": 1, "2": 3}.get(kind, 0)
    rest = [*islice(codes, count)]
    return ";".join((code, kind, *rest)) if count and len(rest) == count else None


def _way(before: Pen, after: Pen) -> str:
    if before == after:
        return ""
    changed = ";".join(_changes(before, after))
    anew = ";".join(("0", *_changes(Pen(), after)))
    return f"\x1b[{min(changed, anew, key=len)}m"


def _changes(before: Pen, after: Pen) -> Iterable[str]:
    offs = {_OFF[each] for each in before.attributes - after.attributes}
    yield from map(str, sorted(offs))
    for each in sorted(after.attributes):
        # 22 ends both bold and dim: what is still wanted is told again.
        if each not in before.attributes or _OFF[each] in offs:
            yield str(each)
    if after.colour != before.colour:
        yield after.colour or "39"
    if after.ground != before.ground:
        yield after.ground or "49"
