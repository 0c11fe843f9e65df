"""What operators took off the bill, by the audit trail."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import AuditEntry, Bill
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.audit_view import AuditView

_PAGE = 200


class Corrections:
    """Reads corrections of one context's counters."""

    def __init__(self, view: AuditView) -> None:
        self._view = view

    async def given_back(self, counter: CounterId, since: datetime) -> int:
        """Return by how many units less is to be billed since a moment.

        Whatever was signed: corrections with the bill, what was compensated, repaired,
        or sent again of negative events; less what was put on the bill meanwhile.

        Raises:
            RedisUnreachable, RedisRefused: The trail could not be read.
        """
        taken = 0
        before = None
        while True:
            page = await self._view.page(
                AuditQuery(counter.tenant, _PAGE, before, since=since)
            )
            taken += sum(_taken(entry, counter) for entry in page.entries)
            before = page.next
            if before is None:
                return max(0, taken)


def _taken(entry: AuditEntry, counter: CounterId) -> int:
    """Return how much less is unsent by an entry; negative: how much more."""
    if (entry.resource, entry.period) != (counter.resource, counter.period):
        return 0
    try:
        return _lowered(entry)
    except ValueError:  # an entry that something else wrote
        return 0


def _lowered(entry: AuditEntry) -> int:
    match entry.action:
        case "event:compensate":  # of the offset
            return int(entry.before) - int(entry.after)
        case "billing:repair":  # of what Stripe is taken to have
            return int(entry.after) - int(entry.before)
        case "event:replay" | "event:resolve" | "event:cancel":
            return _sent_again(entry.after)
        case action if action.startswith("adjust:"):
            billed = entry.bill == Bill.QUOTA_AND_BILL.value
            return int(entry.before) - int(entry.after) if billed else 0
    return 0


def _sent_again(after: str) -> int:
    """Return what an event's units that go out again lower.

    Of one that was cancelled the trail does not say whether they do: negative ones may.
    """
    became, _, units = after.partition(" ")
    match became:
        case "waiting":
            return -int(units)
        case "cancelled":
            return max(0, -int(units))
    return 0
