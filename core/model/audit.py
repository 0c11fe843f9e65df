"""The audit trails of all tenants: a place in them, a page of them, what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from meterdeck.core.errors import BadInput
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId

_PLACE = re.compile(
    r"(?P<ms>[0-9]{10,15})-(?P<number>[0-9]{1,19})(?:/(?P<tenant>.+))?", re.DOTALL
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """A place in all trails, which are in the order of their entries' ids.

    Entries of several tenants may have one id; they are in the order of the tenants'
    names. Without a tenant it is the place before all entries of that id.

    Attributes:
        ms: When, in ms since 1970.
        number: The number of the entry in its millisecond.
    """

    ms: int
    number: int = 0
    tenant: TenantId | None = None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Return the place of an entry."""
        ms, _, number = entry.id.partition("-")
        return cls(int(ms), int(number or 0), entry.tenant)

    @classmethod
    def at(cls, moment: datetime) -> Self:
        """Return the place before everything done at `moment` or later."""
        return cls(max(0, (moment - _EPOCH) // timedelta(milliseconds=1)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entry's id, or what `str` makes of a place.

        Raises:
            BadInput: It is neither.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise BadInput(
                f"{visible(text)} is no place in the audit trail;"
                " write an entry's id, such as 1793491200000-0"
            )
        tenant = match["tenant"]
        return cls(
            int(match["ms"]), int(match["number"]), TenantId(tenant) if tenant else None
        )

    def __str__(self) -> str:
        tenant = "" if self.tenant is None else f"/{self.tenant}"
        return f"{self.ms}-{self.number}{tenant}"

    @property
    def rank(self) -> tuple[int, int, bool, str]:
        """What to sort by to have the newest first."""
        return -self.ms, -self.number, self.tenant is None, self.tenant or ""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries to return, newest first.

    Attributes:
        tenant: None for all tenants.
        before: Only entries that are older; None begins at the newest.
        since: Only entries from this moment on.
        actor: Only this person's; under sudo, too. Empty for everybody's.
        action: Only `adjust`, `override`, one such as `adjust:reset`, or `undo`.
    """

    tenant: str | None = None
    limit: int = 100
    before: AuditPlace | None = None
    since: datetime | None = None
    actor: str = ""
    action: str = ""

    @property
    def picks(self) -> bool:
        """Whether entries in range may be left out."""
        return bool(self.actor or self.action)

    def wants(self, entry: AuditEntry) -> bool:
        """Tell whether an entry in range is asked for."""
        who, what = entry.actor, entry.action
        if self.actor and who != self.actor and not who.startswith(f"{self.actor} ("):
            return False
        if self.action == "undo":
            return bool(entry.undoes)
        return self.action in ("", what, what.partition(":")[0])


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first.

    Attributes:
        next: Give it as `before` to have the entries that follow; None at the end.
            Also a page with few entries or none may have one: a look at a great
            many entries ends where it is.
        unreadable: Tenants whose trail's key holds something else.
    """

    entries: tuple[AuditEntry, ...]
    next: AuditPlace | None
    unreadable: tuple[TenantId, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """The first entry of a trail that is not what was written, and why.

    Attributes:
        entry_id: Empty where there is no trail any more.
    """

    tenant: TenantId
    entry_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What a look at every tenant's trail found."""

    trails: int
    entries: int
    broken: tuple[BrokenChain, ...]
