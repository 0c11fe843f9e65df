"""What operators change: overrides, adjustments, and the trail they leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from meterdeck.core.model.usage import ResourceName, TenantId


class Bill(StrEnum):
    """Whether the invoice follows an adjustment."""

    QUOTA_ONLY = "quota_only"
    """The counter changes, what Stripe is told does not."""
    QUOTA_AND_BILL = "quota_and_bill"
    """The difference is also sent to Stripe with the next flush."""


class AdjustKind(StrEnum):
    """How an adjustment changes a counter."""

    ADD = "add"
    SUBTRACT = "subtract"
    SET = "set"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked for a change: login name and where they came from (SSH, local)."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An operator's change of a counter, before it is applied.

    Attributes:
        amount: Units to add, take away or set; ignored by reset (which sets 0).
        expected: The value the operator saw; None applies it to whatever is there.
    """

    tenant: TenantId
    resource: ResourceName
    kind: AdjustKind
    amount: int
    expected: int | None
    bill: Bill
    reason: str

    def result(self, before: int) -> int:
        """Return the counter's value after this adjustment of `before`."""
        match self.kind:
            case AdjustKind.ADD:
                return before + self.amount
            case AdjustKind.SUBTRACT:
                return before - self.amount
            case AdjustKind.SET:
                return self.amount
            case AdjustKind.RESET:
                return 0


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What an adjustment did; `replayed` when this operation id was done before."""

    before: int
    after: int
    period: str
    audit_id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's limit for one tenant and resource; `units` None is unlimited."""

    tenant: TenantId
    resource: ResourceName
    units: int | None
    actor: str
    reason: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the trail: who did what to what, when, why, before and after.

    Attributes:
        undoes: Id of the entry that this one took back; empty for other changes.
    """

    id: str
    at: datetime
    actor: str
    origin: str
    action: str
    tenant: TenantId
    resource: ResourceName
    period: str
    before: str
    after: str
    reason: str
    bill: str
    operation_id: str
    previous_hash: str
    hash: str
    undoes: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking an audit entry back did, or would do: then `audit_id` is empty.

    Attributes:
        entry: The entry taken back.
        action: The change that does it, as the trail names it: `adjust:add`.
        before: The counter or override before, as the trail writes them.
        replayed: It was done before, by the same operation id.
    """

    entry: AuditEntry
    action: str
    before: str
    after: str
    audit_id: str
    replayed: bool
