"""A window on all audit trails, newest first: it grows at both ends, within a bound."""

from __future__ import annotations

from dataclasses import dataclass, field

from meterdeck.core.model.audit import AuditPage, AuditPlace
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.usage import TenantId

MOST = 5_000
"""Entries that are kept."""

EntryKey = tuple[TenantId, str]


def key_of(entry: AuditEntry) -> EntryKey:
    """Return what tells an entry from every other."""
    return entry.tenant, entry.id


@dataclass(slots=True)
class TrailWindow:
    """Entries without a gap between them, newest first.

    Attributes:
        next: Where the older ones begin; None: there are none, or nothing was read.
        unreadable: Tenants whose trail could not be read.
    """

    entries: list[AuditEntry] = field(default_factory=list)
    next: AuditPlace | None = None
    unreadable: tuple[TenantId, ...] = ()
    read: bool = False
    _keys: set[EntryKey] = field(default_factory=set)
    _undone_by: dict[EntryKey, AuditEntry] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether no older entries are taken in, though there may be some."""
        return len(self.entries) >= MOST

    def undone_by(self, entry: AuditEntry) -> AuditEntry | None:
        """Return the entry that took `entry` back; an undo is newer than its entry."""
        return self._undone_by.get(key_of(entry))

    def take_newest(self, page: AuditPage) -> int:
        """Take in the newest page and return how many entries were new.

        Where it does not reach down to what is here, the window begins anew: there
        are no gaps.
        """
        known = self._keys
        new = [each for each in page.entries if key_of(each) not in known]
        apart = page.next is not None and len(new) == len(page.entries)
        if apart or not self.read:
            self._begin(page)
        elif new:
            self.entries = sorted([*new, *self.entries], key=_rank)
            self._note(new)
            self._cut()
        self.unreadable = page.unreadable
        return len(new)

    def take_older(self, page: AuditPage) -> None:
        """Take in the page that begins at `next`."""
        new = [each for each in page.entries if key_of(each) not in self._keys]
        self.entries.extend(new)
        self._note(new)
        self.next = page.next
        self._cut()

    def _begin(self, page: AuditPage) -> None:
        self.entries, self.next, self.read = list(page.entries), page.next, True
        self._keys.clear()
        self._undone_by.clear()
        self._note(self.entries)

    def _note(self, new: list[AuditEntry]) -> None:
        for entry in new:
            self._keys.add(key_of(entry))
            if entry.undoes:
                self._undone_by[entry.tenant, entry.undoes] = entry

    def _cut(self) -> None:
        if len(self.entries) <= MOST:
            return
        gone = self.entries[MOST:]
        del self.entries[MOST:]
        self._keys.difference_update(map(key_of, gone))
        for entry in gone:
            self._undone_by.pop((entry.tenant, entry.undoes), None)
        self.next = AuditPlace.of(self.entries[-1])


def _rank(entry: AuditEntry) -> tuple[int, int, bool, str]:
    return AuditPlace.of(entry).rank
