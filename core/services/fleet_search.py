"""Search over the fleet: substrings of lower-case text, a block of rows at a time.

A block is one string, so that a block without a hit costs one comparison in C; a
changed tenant rebuilds one block, not the text of a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meterdeck.core.model.usage import Tenant

_BLOCK = 1024
_FIELD = "\x1f"
_ROW = "\n"


class SearchText:
    """What can be searched of every tenant, by row."""

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self._tenants = tenants
        self._blocks: list[str] = []
        self._stale: set[int] = set()

    def changed(self, rows: Iterable[int]) -> None:
        """Note that these rows are new, hold another tenant or are gone."""
        self._stale.update(row // _BLOCK for row in rows)

    def find(self, text: str) -> list[int]:
        """Return the rows that contain `text`, whatever its case."""
        self.refresh()
        needle = _plain(text)
        if not needle:
            return list(range(len(self._tenants)))
        found: list[int] = []
        for number, block in enumerate(self._blocks):
            if needle in block:
                rows = enumerate(block.split(_ROW), number * _BLOCK)
                found.extend([row for row, line in rows if needle in line])
        return found

    def refresh(self) -> None:
        """Rebuild what is out of date, so that the next search need not."""
        count = -(-len(self._tenants) // _BLOCK)
        if len(self._blocks) < count:
            self._stale.update(range(len(self._blocks), count))
            self._blocks.extend([""] * (count - len(self._blocks)))
        del self._blocks[count:]
        for number in self._stale:
            if number < count:
                rows = self._tenants[number * _BLOCK : (number + 1) * _BLOCK]
                self._blocks[number] = _ROW.join(map(_line, rows))
        self._stale.clear()


def _line(tenant: Tenant) -> str:
    parts = (
        tenant.id,
        tenant.name,
        tenant.customer,
        tenant.subscription,
        tenant.plan,
        tenant.status,
    )
    return _plain(_FIELD.join(parts))


def _plain(text: str) -> str:
    return text.lower().replace(_ROW, " ")
