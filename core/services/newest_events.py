"""The newest event of each meter, as far back as the delivery log is looked through."""

from __future__ import annotations

from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.services.delivery_log import DeliveryLog

_LOOKED_THROUGH = 2_000
_PAGE = 500


async def newest_events(
    log: DeliveryLog, *, at_most: int = _LOOKED_THROUGH
) -> dict[str, LoggedEvent]:
    """Return the newest event of each event name among the newest `at_most` lines.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    found: dict[str, LoggedEvent] = {}
    seen = 0
    async for page in log.pages(_PAGE):
        for line in page:
            found.setdefault(line.event.event_name, line)
        seen += len(page)
        if seen >= at_most:
            break
    return found
