"""The end of the delivery log: new lines, and how many came too fast to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.services.change_feed import Pulse
from meterdeck.core.services.delivery_log import DeliveryLog

MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class NewLines:
    """Lines oldest first; `dropped` came between them and the lines before."""

    events: tuple[LoggedEvent, ...] = ()
    dropped: int = 0


class EventTail:
    """Follows the log; reads nothing while nothing was added."""

    def __init__(self, log: DeliveryLog) -> None:
        self._log = log
        self._cursor = ""
        self._logged = 0
        self._looked = False

    async def look(self, pulse: Pulse) -> NewLines:
        """Return what was added; the first look returns the log's end.

        Raises:
            RedisUnreachable: The next look returns it instead.
        """
        first, self._looked = not self._looked, True
        if pulse.log_id == self._cursor:
            return NewLines()
        if _order(pulse.log_id) < _order(self._cursor):
            self._cursor, self._logged = "", 0  # a new log: another database
        try:
            latest = await self._log.latest(MOST_LINES)
        except RedisRefused:
            return NewLines()
        since, told = _order(self._cursor), _order(pulse.log_id)
        new = sorted(
            (line for line in latest if _order(line.id) > since),
            key=lambda line: _order(line.id),
        )
        later = [line for line in new if _order(line.id) > told]
        logged = pulse.logged + len(later)
        dropped = 0 if first else max(0, logged - self._logged - MOST_LINES)
        self._cursor = later[-1].id if later else pulse.log_id
        self._logged = logged
        return NewLines(tuple(new), dropped)


def _order(line_id: str) -> tuple[int, int]:
    milliseconds, _, number = line_id.partition("-")
    return int(milliseconds or 0), int(number or 0)
