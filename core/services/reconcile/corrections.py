"""What operators took off counters and off the bill, by the audit trail."""

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
        """Return the units that were taken off counter and bill since a moment.

        Raises:
            RedisUnreachable, RedisRefused: The trail could not be read.
        """
        taken = 0
        before = None
        while True:
            page = await self._view.page(
                AuditQuery(counter.tenant, _PAGE, before, since=since, action="adjust")
            )
            taken += sum(_taken(entry, counter) for entry in page.entries)
            before = page.next
            if before is None:
                return taken


def _taken(entry: AuditEntry, counter: CounterId) -> int:
    if (entry.resource, entry.period) != (counter.resource, counter.period):
        return 0
    if entry.bill != Bill.QUOTA_AND_BILL.value:
        return 0
    try:
        change = int(entry.after) - int(entry.before)
    except ValueError:  # an entry that something else wrote
        return 0
    return max(0, -change)
