"""Records in the order they were made, found by id, paged newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from meterdeck.core.local_stripe.refusals import no_such


class Record(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """Give the id."""


T = TypeVar("T", bound=Record)


class Collection(Generic[T]):
    """Hold the records of one type; `noun` is what refusals call one.

    `group_by` names an attribute by which `grouped` finds records without a scan.

    Attributes:
        touched: Ids of the records that were put or dropped; None where nobody wants
            to know.
    """

    def __init__(self, noun: str, group_by: Callable[[T], str] | None = None) -> None:
        self.noun = noun
        self._records: dict[str, T] = {}
        self._order: list[str] = []
        self._position: dict[str, int] = {}
        self._group_by = group_by
        self._groups: dict[str, list[str]] = {}
        self.touched: dict[str, None] | None = None

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[T]:
        return iter(self._records.values())

    def empty(self) -> Collection[T]:
        """Give a collection of the same kind with nothing in it."""
        return Collection(self.noun, self._group_by)

    def put(self, record: T) -> None:
        """Add a record, or replace the one with its id."""
        if record.id not in self._records:
            self._position[record.id] = len(self._order)
            self._order.append(record.id)
            if self._group_by is not None:
                self._groups.setdefault(self._group_by(record), []).append(record.id)
        self._records[record.id] = record
        if self.touched is not None:
            self.touched[record.id] = None

    def drop(self, record_id: str) -> None:
        """Forget a record; its place in the order stays empty."""
        self._records.pop(record_id, None)
        if self.touched is not None:
            self.touched[record_id] = None

    def knows(self, record_id: str) -> bool:
        """Tell whether there is such a record or was one: lists go on from there."""
        return record_id in self._position

    def find(self, record_id: str) -> T | None:
        """Give a record, or None."""
        return self._records.get(record_id)

    def get(self, record_id: str, param: str = "id") -> T:
        """Give a record, or refuse as Stripe does for this parameter."""
        record = self._records.get(record_id)
        if record is None:
            raise no_such(self.noun, record_id, param)
        return record

    def grouped(self, key: str) -> list[T]:
        """Give the records of one group, oldest first."""
        ids = self._groups.get(key, ())
        return [self._records[each] for each in ids if each in self._records]

    def only(self, key: str) -> Collection[T]:
        """Give one group as a collection of its own, for paging."""
        group = Collection[T](self.noun)
        for record in self.grouped(key):
            group.put(record)
        return group

    def newest_first(self, *, after: str | None = None) -> Iterator[T]:
        """Walk towards older records, from the newest or from past a cursor."""
        start = self._position[after] if after is not None else len(self._order)
        return self._present(self._order[i] for i in range(start - 1, -1, -1))

    def oldest_first(self, *, before: str) -> Iterator[T]:
        """Walk towards newer records, from past a cursor."""
        start = self._position[before] + 1
        return self._present(self._order[i] for i in range(start, len(self._order)))

    def _present(self, ids: Iterable[str]) -> Iterator[T]:
        for record_id in ids:
            record = self._records.get(record_id)
            if record is not None:
                yield record
