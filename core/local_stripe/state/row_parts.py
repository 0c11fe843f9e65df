"""What is kept in rows, one a record or a key."""

from __future__ import annotations

from typing import Any, get_args

from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.state.database import Database
from meterdeck.core.local_stripe.state.hints import adapter_of, hint_of
from meterdeck.core.local_stripe.state.part import Places
from meterdeck.core.local_stripe.state.tracked import TrackedDict

_INSERT = (
    "INSERT INTO rows VALUES (?, ?, ?, ?)"
    " ON CONFLICT (part, id) DO UPDATE SET body = excluded.body"
)
_DELETE = "DELETE FROM rows WHERE part = ? AND id = ?"
_ROWS = "SELECT id, body FROM rows WHERE part = ? ORDER BY place"


class CollectionPart:
    """Records, a row each; their type is what the collection was made for."""

    def __init__(self, name: str, holder: object, attribute: str) -> None:
        self.name = name
        self._holder, self._attribute = holder, attribute
        self._held: Collection[Any] = getattr(holder, attribute)
        (record,) = get_args(vars(self._held)["__orig_class__"])
        self._adapter = adapter_of(record)

    def restore(self, database: Database) -> None:
        """Put every record into the collection."""
        for _, body in database.all(_ROWS, self.name):
            self._held.put(self._adapter.validate_json(body))
        self._held.touched = {}

    def save(self, database: Database, places: Places) -> bool:
        """Write the records that were put or dropped."""
        now: Collection[Any] = getattr(self._holder, self._attribute)
        if now is not self._held:
            self._replaced(now)
        touched = self._held.touched
        if not touched:
            return False
        rows, gone = [], []
        for record_id in touched:
            record = now.find(record_id)
            if record is None:
                gone.append((self.name, record_id))
            else:
                body = self._adapter.dump_json(record).decode()
                rows.append((self.name, record_id, places.next(), body))
        database.many(_DELETE, gone)
        database.many(_INSERT, rows)
        return True

    def saved(self) -> None:
        """Begin to watch anew."""
        self._held.touched = {}

    def _replaced(self, now: Collection[Any]) -> None:
        """Watch another collection, which somebody put in the place of the one."""
        before, self._held = self._held, now
        gone = (each.id for each in before if each.id not in now)
        new = (each.id for each in now if before.find(each.id) is not each)
        touched: dict[str, None] = dict.fromkeys((*gone, *new))
        now.touched = {**touched, **(before.touched or {})}


class DictPart:
    """Values by their keys, a row each, in the order of the dict."""

    def __init__(self, name: str, holder: object, attribute: str) -> None:
        self.name = name
        self._holder, self._attribute = holder, attribute
        key, value = get_args(hint_of(holder, attribute))
        if key is not str:
            raise TypeError(f"{name} has keys that are no texts")
        self._adapter = adapter_of(value)
        self._held: TrackedDict[Any] = TrackedDict()

    def restore(self, database: Database) -> None:
        """Put a dict in place that knows what is changed."""
        held = TrackedDict(getattr(self._holder, self._attribute))
        for key, body in database.all(_ROWS, self.name):
            held[key] = self._adapter.validate_json(body)
        held.touched.clear()
        self._hold(held)

    def save(self, database: Database, places: Places) -> bool:
        """Write the keys that were set or deleted."""
        now: dict[str, Any] = getattr(self._holder, self._attribute)
        if now is not self._held:
            replaced = TrackedDict(now)
            replaced.touched = dict.fromkeys((*self._held, *now), True)
            self._hold(replaced)
        held, touched = self._held, self._held.touched
        if not touched:
            return False
        gone = [(self.name, key) for key, deleted in touched.items() if deleted]
        database.many(_DELETE, gone)
        rows = [
            (self.name, key, places.next(), self._dumped(held[key]))
            for key in touched
            if key in held
        ]
        database.many(_INSERT, rows)
        return True

    def saved(self) -> None:
        """Begin to watch anew."""
        self._held.touched.clear()

    def _hold(self, held: TrackedDict[Any]) -> None:
        self._held = held
        setattr(self._holder, self._attribute, held)

    def _dumped(self, value: object) -> str:
        return self._adapter.dump_json(value).decode()
