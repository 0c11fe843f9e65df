"""What is kept by its place, or whole."""

from __future__ import annotations

from typing import Any, get_args

from meterdeck.core.local_stripe.state.database import Database
from meterdeck.core.local_stripe.state.hints import adapter_of, hint_of
from meterdeck.core.local_stripe.state.part import Places

_PUT = "INSERT OR REPLACE INTO places VALUES (?, ?, ?)"
_PLACES = "SELECT body FROM places WHERE part = ? ORDER BY place"


class ListPart:
    """Values by their place in a list, such as a heap, a row each."""

    def __init__(self, name: str, holder: object, attribute: str) -> None:
        self.name = name
        self._holder, self._attribute = holder, attribute
        (value,) = get_args(hint_of(holder, attribute))
        self._adapter = adapter_of(value)
        self._written: list[Any] = []
        self._writing: list[Any] | None = None

    def restore(self, database: Database) -> None:
        """Fill the list as it was: a heap stays one."""
        rows = database.all(_PLACES, self.name)
        values = [self._adapter.validate_json(body) for (body,) in rows]
        self._list[:] = values
        self._written = values

    def save(self, database: Database, places: Places) -> bool:
        """Write the places that hold something else than before."""
        now, before = self._list, self._written
        if now == before:
            return False
        rows = [
            (self.name, place, self._adapter.dump_json(value).decode())
            for place, value in enumerate(now)
            if place >= len(before) or before[place] != value
        ]
        database.many(_PUT, rows)
        cut = "DELETE FROM places WHERE part = ? AND place >= ?"
        database.many(cut, [(self.name, len(now))])
        self._writing = list(now)
        return True

    def saved(self) -> None:
        """Compare with what was written."""
        if self._writing is not None:
            self._written, self._writing = self._writing, None

    @property
    def _list(self) -> list[Any]:
        found: list[Any] = getattr(self._holder, self._attribute)
        return found


class ValuePart:
    """Something small, written whole."""

    def __init__(self, name: str, holder: object, attribute: str) -> None:
        self.name = name
        self._holder, self._attribute = holder, attribute
        self._adapter = adapter_of(hint_of(holder, attribute))
        self._written = self._writing = self._dumped()

    def restore(self, database: Database) -> None:
        """Put the value in place."""
        for (body,) in database.all(_PLACES, self.name):
            value = self._adapter.validate_json(body)
            setattr(self._holder, self._attribute, value)
        self._written = self._writing = self._dumped()

    def save(self, database: Database, places: Places) -> bool:
        """Write it if it changed."""
        self._writing = self._dumped()
        if self._writing == self._written:
            return False
        row = self.name, 0, self._writing
        database.many(_PUT, [row])
        return True

    def saved(self) -> None:
        """Compare with what was written."""
        self._written = self._writing

    def _dumped(self) -> str:
        value = getattr(self._holder, self._attribute)
        return self._adapter.dump_json(value).decode()
