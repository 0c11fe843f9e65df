"""Search over the fleet: substrings of lower-case text, a block of rows at a time.

A block is one string, so that a block without a hit costs one comparison in C; a
changed tenant rebuilds one block, not the text of a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress

from meterdeck.core.model.filter.tenant_terms import TextField
from meterdeck.core.model.filter.words import FIELD, ROW, letters_in_order, plain
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.recent import make_room

_BLOCK = 1024
_MANY = 32
"""Hits in a block from which it is quicker to look at each of its lines."""
_MOST_KEPT = 20_000
"""Lines that are kept, 3 MB: a filter is typed letter by letter, and what has `ha` and
`har` is looked for among what has `ha`.
"""
_MOST_EARLIER = 8
"""Searches of which the rows are kept."""
_NAMED = 2
"""Id and name come first in a line; letters in order are looked for only there, as
random ids have any letters.
"""
_PLACES = {field: place for place, field in enumerate(TextField)}


class SearchText:
    """What can be searched of every tenant, by row."""

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self._tenants = tenants
        self._blocks: list[str] = []
        self._stale: set[int] = set()
        self._last = _Found()
        self._earlier: dict[str, list[int]] = {}

    def changed(self, rows: Iterable[int]) -> None:
        """Note that these rows are new, hold another tenant or are gone."""
        self._stale.update(row // _BLOCK for row in rows)

    def find(self, text: str) -> list[int]:
        """Return the rows that contain a text in any field, whatever its case."""
        self.refresh()
        needle = plain(text)
        if not needle:
            return list(range(len(self._tenants)))
        if needle in self._earlier:  # a letter was taken back
            return self._earlier[needle].copy()
        last, found = self._last, _Found(needle)
        if last.needle and last.needle in needle:
            found.add(last.rows, last.lines)
        else:
            for number, block in enumerate(self._blocks):
                if needle in block:
                    found.add(*_lines_with(needle, block, number * _BLOCK))
        self._last = found if len(found.rows) == len(found.lines) else _Found()
        make_room(self._earlier, needle, _MOST_EARLIER)
        self._earlier[needle] = found.rows
        return found.rows.copy()

    def find_in(self, field: TextField, value: str, *, whole: bool) -> list[int]:
        """Return the rows of which one field contains a plain text, or is it."""
        self.refresh()
        place, found = _PLACES[field], list[int]()
        for number, block in enumerate(self._blocks):
            if value in block:
                found += [
                    row
                    for row, line in enumerate(block.split(ROW), number * _BLOCK)
                    if value in line
                    and value in (held := line.split(FIELD, place + 1)[place])
                    and (not whole or value == held)
                ]
        return found

    def find_letters(self, word: str) -> list[int]:
        """Return the rows whose id or name has a word's letters in order."""
        self.refresh()
        search = letters_in_order(plain(word)).search
        found: list[int] = []
        for number, block in enumerate(self._blocks):
            row, start, at = number * _BLOCK, 0, 0
            while hit := search(block, at):
                begins = block.rfind(ROW, start, hit.start()) + 1 or start
                row += block.count(ROW, start, begins)
                start, at = begins, hit.start() + 1
                if block.count(FIELD, start, at) < _NAMED:
                    found.append(row)
                    start = at = block.find(ROW, at) + 1
                    row += 1
                    if not at:
                        break
        return found

    def keep_up(self) -> None:
        """Rebuild what is out of date, where somebody has searched before.

        Most operators never search, and the text of a large fleet is a tenth of it.
        """
        if self._blocks:
            self.refresh()

    def refresh(self) -> None:
        """Rebuild what is out of date, so that the next search need not."""
        count = -(-len(self._tenants) // _BLOCK)
        if len(self._blocks) < count:
            self._stale.update(range(len(self._blocks), count))
            self._blocks.extend([""] * (count - len(self._blocks)))
        del self._blocks[count:]
        if self._stale:
            self._last = _Found()
            self._earlier.clear()
        for number in self._stale:
            if number < count:
                rows = self._tenants[number * _BLOCK : (number + 1) * _BLOCK]
                self._blocks[number] = ROW.join(map(_line, rows))
        self._stale.clear()


@dataclass(slots=True)
class _Found:
    """Rows whose line contains a needle, and those lines while they are few enough."""

    needle: str = ""
    rows: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, rows: Sequence[int], lines: Sequence[str]) -> None:
        """Look at these lines."""
        needle = self.needle
        marks = [needle in line for line in lines]
        self.rows += compress(rows, marks)
        if len(self.rows) <= _MOST_KEPT:
            self.lines += compress(lines, marks)


def _lines_with(
    needle: str, block: str, first: int
) -> tuple[Sequence[int], Sequence[str]]:
    """Return rows and lines, all of the block or only those with the needle."""
    if block.count(needle) > _MANY:
        lines = block.split(ROW)
        return range(first, first + len(lines)), lines
    rows, lines = list[int](), list[str]()
    row, at, hit = first, 0, block.find(needle)
    while hit >= 0:
        row += block.count(ROW, at, hit)
        begins, ends = block.rfind(ROW, at, hit) + 1 or at, block.find(ROW, hit)
        rows.append(row)
        lines.append(block[begins : None if ends < 0 else ends])
        if ends < 0:
            break
        row, at = row + 1, ends + 1
        hit = block.find(needle, at)
    return rows, lines


def _line(tenant: Tenant) -> str:
    customer, subscription, name = tenant.texts
    parts = (tenant.id, name, customer, subscription, tenant.plan, tenant.status)
    if "".join(parts).isprintable():
        return FIELD.join(parts).lower()  # as below, where nothing is to be replaced
    return FIELD.join(map(plain, parts))
