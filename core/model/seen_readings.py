"""What a console has seen itself of a tenant's counters, since it looks at them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta

from meterdeck.core.model.history import Reading
from meterdeck.core.model.tenant_history import TenantHistory
from meterdeck.core.model.usage import ResourceName

_APART = timedelta(minutes=1)
_MOST = 24 * 60


class SeenReadings:
    """Readings a minute apart, of a day at most, where no worker takes samples."""

    def __init__(self) -> None:
        self._seen: dict[tuple[ResourceName, str], deque[Reading]] = {}

    def take(self, history: TenantHistory) -> None:
        """Remember what a history says of now."""
        for each in history.resources:
            used = each.usage.used
            if not isinstance(used, int):
                continue
            name = (each.resource.name, each.usage.period.label)
            seen = self._seen.setdefault(name, deque(maxlen=_MOST))
            if not seen or each.now - seen[-1].at >= _APART:
                seen.append(Reading(each.now, used))

    def completed(self, history: TenantHistory) -> TenantHistory:
        """Return a history with what was remembered, in the periods that run."""
        made = [
            each.including(
                self._seen.get((each.resource.name, each.usage.period.label), ())
            )
            for each in history.resources
        ]
        return replace(history, resources=tuple(made))
