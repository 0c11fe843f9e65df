"""What one shift tells the next: what is at risk, what is wrong, what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.model.changes import Actor, AuditEntry
from meterdeck.core.model.context import Mode
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.health_items import Item
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.override_ends import Ending, FoundOverride
from meterdeck.core.model.usage import Resource, Tenant
from meterdeck.core.model.windows import Window

ENDS_SOON = timedelta(hours=12)
"""Overrides that end within this are told of."""
REACHED_SOON = timedelta(hours=2)
"""Tenants that reach a limit within this are at risk."""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A counter at its limit, over 90 percent of it, or there soon.

    Attributes:
        rate: Units a second, over the last minute.
        full_in: When the limit is reached at that rate; None: not in this period.
    """

    tenant: Tenant
    resource: Resource
    used: int
    limit: int
    percent: int
    rate: float = 0.0
    full_in: timedelta | None = None

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.percent >= 100


@dataclass(frozen=True, slots=True)
class EndingOverride:
    """An override that ends soon, and what happens then."""

    found: FoundOverride
    ending: Ending


@dataclass(frozen=True, slots=True)
class Unsent:
    """Units that Stripe does not have, of a period that ends soon or did.

    Attributes:
        parked: How many of the units are in letters.
    """

    tenant: Tenant
    resource: Resource
    period: str
    ends: datetime
    finalises: datetime
    units: int
    parked: int


@dataclass(frozen=True, slots=True)
class AlertNote:
    """An alert that is not over, in words.

    Attributes:
        open: Nobody has acknowledged it, or its snooze is over.
    """

    since: datetime
    severity: str
    words: str
    rule: str
    state: str
    open: bool


class Part(StrEnum):
    """The parts of a handoff, by their headings."""

    RISK = "At risk"
    ALERTS = "Alerts"
    DRIFT = "Drift"
    OVERRIDES = "Overrides that end within 12 h"
    LETTERS = "Events that need somebody"
    CLOSING = "Unsent, of periods that end soon"
    CHANGES = "Changed in this shift"
    HEALTH = "Health"


@dataclass(frozen=True, slots=True)
class Handoff:
    """Everything a handoff tells, at one moment.

    Attributes:
        since: When the shift began.
        by: Who hands over.
        at_limit: Tenants with a counter at its limit; `over90` above 90 percent.
        risks: The most urgent first; `more_risks` are not among them.
        alerts: Those that are not over, the loudest first.
        alerts_watched: Whether a worker holds the rules against usage now.
        last_pass: The workers' last reconciliation; None: there was none.
        letters: With what can still be done about each, the newest first.
        changes: Newest first; `more_changes`: there are older ones in the shift.
        unread: Parts that could not be read, and why.
    """

    context: str
    mode: Mode
    at: datetime
    since: datetime
    by: Actor
    tenants: int = 0
    at_limit: int = 0
    over90: int = 0
    billed: bool = True
    risks: tuple[AtRisk, ...] = ()
    more_risks: int = 0
    alerts: tuple[AlertNote, ...] = ()
    alert_rules: int = 0
    alerts_watched: bool = False
    last_pass: LastPass | None = None
    overrides: tuple[EndingOverride, ...] = ()
    broken_overrides: int = 0
    letters: tuple[tuple[LedgerEvent, tuple[Window, ...]], ...] = ()
    closing: tuple[Unsent, ...] = ()
    queued: int = 0
    closing_h: int = 0
    changes: tuple[AuditEntry, ...] = ()
    more_changes: bool = False
    scales: Mapping[str, int] = field(default_factory=dict)
    health: tuple[Item, ...] = ()
    unread: Mapping[Part, str] = field(default_factory=dict)
