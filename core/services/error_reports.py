"""Late error reports: events that Stripe accepted and did not count after all."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterdeck.core.adapters.late_error_calls import LateErrorCalls
from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.destinations import Notification
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.late_errors import LATE_ERRORS, NO_METER_FOUND, ErrorReport
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.late_error_lines import (
    LateErrorLines,
    Pin,
    Pinned,
    share,
)
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.sync import journal

FIRST_LOOK = timedelta(days=1)
"""So far back reports are read when nobody has read any before."""

# Reports come some seconds after their window, and not in the order of it.
_OVERLAP = timedelta(minutes=10)
# So long the line of an event that a report names may not be written yet.
_PATIENCE = timedelta(minutes=10)
_BEFORE = timedelta(minutes=1)
_BATCH = 1000
_MOST_ASKED = 100  # customers of one report that Stripe is asked about
_CUSTOMERS_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Handled:
    """What a look at reports did.

    Attributes:
        reports: New ones.
        refused: Events that became letters.
        unpinned: Events that were not counted, and nobody knows which they are.
    """

    reports: int = 0
    refused: int = 0
    unpinned: int = 0

    def __add__(self, other: Handled) -> Handled:
        return Handled(
            self.reports + other.reports,
            self.refused + other.refused,
            self.unpinned + other.unpinned,
        )


class ErrorReports:
    """Reads reports, pins them to events of the delivery log, and refuses those.

    A report is handled once, however often and in whatever order it comes, also by
    several processes: what it does to an event is done once an event.

    Args:
        now: The clock by which reports are old; the Redis server's unless given.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway,
        *,
        now: Callable[[], Awaitable[datetime]] | None = None,
    ) -> None:
        async def clock() -> datetime:
            return await server_time(redis)

        self._gateway = gateway
        self._log = DeliveryLog(redis, context)
        self._letters = Letters(redis, context)
        self._calls = LateErrorCalls(redis, context.redis.layout)
        self._now = now or clock
        self._there: dict[str, bool] = {}
        self._asked_at = 0.0

    async def poll(self) -> Handled:
        """Handle the reports that came since the last look; call it every few seconds.

        Raises:
            Unreachable, StripeRefused: The next call goes on where this one ended.
        """
        now = await self._now()
        until = await self._calls.read_until() or now - FIRST_LOOK
        found = [
            report
            async for report in self._gateway.core_events(until - _OVERLAP, LATE_ERRORS)
        ]
        handled = Handled()
        for report in sorted(found, key=lambda each: each.created or now):
            handled += await self.handle(report)
        await self._calls.note_until(now)
        return handled

    async def notified(self, notification: Notification) -> Handled:
        """Handle what a webhook says: the body names the report, which is fetched.

        Raises:
            Unreachable, StripeRefused: It is to be sent again.
        """
        if notification.type not in LATE_ERRORS:
            return Handled()
        if await self._calls.is_handled(notification.id):
            return Handled()
        try:
            report = await self._gateway.core_event(notification.id)
        except NotFound:  # of another account, or not to be read yet: poll finds it
            return Handled()
        return await self.handle(report)

    async def handle(self, report: ErrorReport) -> Handled:
        """Handle one report, where nobody has."""
        if await self._calls.is_handled(report.id):
            return Handled()
        pinned = await self._pinned(report)
        refused = 0
        for pin in pinned.pins.values():
            refused += await self._refuse(pin)
        now = await self._now()
        fresh = now - (report.end or report.created or now) < _PATIENCE
        if pinned.missing and fresh:
            return Handled(refused=refused)  # looked at again by the next poll
        if not await self._calls.note_handled(report.id, now):
            return Handled(refused=refused)
        if pinned.missing:
            journal.warning(
                "late_errors_not_pinned",
                report=report.id,
                meter=report.meter_id,
                count=pinned.missing,
                codes=",".join(sorted({kind.code for kind in pinned.rest})),
            )
        return Handled(1, refused, pinned.missing)

    async def _pinned(self, report: ErrorReport) -> Pinned:
        since = (report.start or report.created or await self._now()) - _BEFORE
        lines = LateErrorLines(await self._lines(since))
        pinned = lines.pin(report)
        if pinned.rest:
            names = await self._event_names(report)
            candidates = lines.candidates(report, pinned, names)
            asked = {line.event.customer for line in candidates}
            lost = await self._lost(sorted(asked)[:_MOST_ASKED])
            share(pinned, candidates, lost.__contains__)
        return pinned

    async def _lines(self, since: datetime) -> list[LoggedEvent]:
        place = f"{int(since.timestamp() * 1000)}-0"
        found: list[LoggedEvent] = []
        while lines := await self._log.after(place, _BATCH):
            found += lines
            place = lines[-1].id
            if len(lines) < _BATCH:
                break
        return found

    async def _event_names(self, report: ErrorReport) -> frozenset[str] | None:
        if report.type == NO_METER_FOUND:
            return None
        meters = await self._gateway.meters()
        return frozenset(x.event_name for x in meters if x.id == report.meter_id)

    async def _lost(self, customers: list[str]) -> frozenset[str]:
        """Return those that Stripe does not have, or that are deleted."""
        if time.monotonic() - self._asked_at > _CUSTOMERS_KEPT_S:
            self._there.clear()
            self._asked_at = time.monotonic()
        lost = set()
        for customer in customers:
            if customer not in self._there:
                self._there[customer] = await self._is_there(customer)
            if not self._there[customer]:
                lost.add(customer)
        return frozenset(lost)

    async def _is_there(self, customer: str) -> bool:
        try:
            return not (await self._gateway.customer(customer)).deleted
        except NotFound:
            return False
        except Refused:  # this key may not ask
            return True

    async def _refuse(self, pin: Pin) -> int:
        """Make a letter of an event; 0 where it has one, or is not known any more."""
        letter = replace(
            letter_of(pin.line, EventState.REFUSED, reason=pin.message), code=pin.code
        )
        try:
            return await self._letters.refuse_late(letter)
        except (BadInput, NotFound, Refused) as error:
            journal.warning(
                "late_error_not_noted",
                identifier=letter.event.identifier,
                reason=str(error),
            )
            return 0
