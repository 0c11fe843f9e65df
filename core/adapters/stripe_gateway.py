"""The gateway to Stripe: typed results, errors of our own, explicit retries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_core_events import error_report, error_reports
from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_pricing import StripePricing
from meterdeck.core.adapters.stripe_requests import PAGE, StripeRequests
from meterdeck.core.adapters.stripe_transport import Json, RequestFailed
from meterdeck.core.adapters.stripe_v1_sink import V1Sink
from meterdeck.core.errors import BadInput, ConfigError, StripeUnreachable
from meterdeck.core.model.cancelling import Cancellation, CancelOutcome
from meterdeck.core.model.context import Mode, StripeOptions
from meterdeck.core.model.delivery import Answer
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.model.health import Trouble
from meterdeck.core.model.late_errors import LATE_ERRORS, ErrorReport
from meterdeck.core.model.subscriptions import (
    Customer,
    Delivered,
    MeterInfo,
    MeterSummary,
    StripeEvent,
    Subscription,
)

if TYPE_CHECKING:
    from meterdeck.core.adapters.stripe_catalogue import StripeCatalogue
    from meterdeck.core.model.destinations import Destination

_LIVE_KEYS = ("sk_live_", "rk_live_")
_METERS = "/v1/billing/meters"
_ADJUSTMENTS = "/v1/billing/meter_event_adjustments"
_OUTCOMES = {
    Answer.ACCEPTED: EventOutcome.ACCEPTED,
    Answer.DUPLICATE: EventOutcome.DUPLICATE,
    Answer.REFUSED: EventOutcome.REFUSED,
    Answer.STOPPED: EventOutcome.REFUSED,
    Answer.UNKNOWN: EventOutcome.UNKNOWN,
}


class StripeGateway:
    """Talks to one Stripe account; belongs to the event loop of its first call.

    Importing this module does not import the SDK: the first call does. Every read
    raises StripeUnreachable when Stripe does not answer three times, StripeRefused
    when it says no, and NotFound for an id it does not have.

    Raises:
        ConfigError: The key is a live one in a context that is not live, or the
            reverse.
    """

    def __init__(
        self, options: StripeOptions, mode: Mode, *, reads_only: bool = False
    ) -> None:
        live = options.api_key.reveal().startswith(_LIVE_KEYS)
        if live != (mode is Mode.LIVE):
            raise ConfigError(
                "stripe.api_key",
                f"is a {'live' if live else 'test'} key in a context of mode {mode}",
                "give the key of that mode, or set mode to what the key is for",
            )
        self._requests = StripeRequests(options, mode, reads_only=reads_only)
        self._sink = V1Sink(self._requests, mode, _default_keys)
        self.pricing = StripePricing(self._requests)
        """What Stripe bills."""

    @property
    def latency_ms(self) -> float | None:
        """Round trip of the last answer in milliseconds, None before the first."""
        return self._requests.latency_ms

    @property
    def trouble(self) -> Trouble | None:
        """The last request without a usable answer; None where there was none."""
        return self._requests.trouble

    @property
    def ahead_s(self) -> float | None:
        """Seconds that Stripe's clock is ahead of this host's; None before an answer.

        To about a second; by the Date header of the last answer.
        """
        return self._requests.clock.skew_s

    async def versions(self) -> tuple[str, str]:
        """Return the API's version that is asked for, and that of the last answer."""
        asked = (await self._requests.open()).version
        return asked, self._requests.version

    async def drafts(self) -> list[tuple[datetime, datetime]]:
        """Return when draft invoices of subscriptions were made, and become final.

        The newest hundred that become final by themselves.
        """
        params = {"status": "draft", "limit": PAGE}
        page = await self._requests.read("/v1/invoices", params)
        found = [
            (
                read.moment(raw, "created"),
                read.moment(raw, "automatically_finalizes_at"),
            )
            for raw in read.rows(page)
            if read.text(raw, "billing_reason") == "subscription_cycle"
        ]
        return [(made, final) for made, final in found if made and final]

    async def close(self) -> None:
        """Close the connections; a later call would open new ones."""
        await self._requests.close()

    async def ping(self) -> float:
        """Ask for one meter and return the round trip in milliseconds."""
        await self._requests.read(_METERS, {"limit": 1})
        return self.latency_ms or 0.0

    async def try_reading(self, path: str) -> None:
        """Read one object of a list, to see whether the key may; changes nothing.

        Raises:
            StripeRefused: It may not: status 403, and Stripe's sentence says why.
            StripeUnreachable: Nobody knows.
        """
        await self._requests.read(path, {"limit": 1})

    async def customers(self) -> AsyncIterator[Customer]:
        """Yield every customer that is not deleted."""
        async for raw in self._requests.listed("/v1/customers", {}):
            yield read.customer(raw)

    async def customer(self, customer_id: str) -> Customer:
        """Return one customer; a deleted one is marked so."""
        return read.customer(
            await self._requests.read(_path("/v1/customers", customer_id))
        )

    async def subscriptions(self, customer_id: str = "") -> AsyncIterator[Subscription]:
        """Yield every subscription, ended ones too: of all customers, or of one."""
        params: Json = {"status": "all"}
        if customer_id:
            params["customer"] = customer_id
        async for raw in self._requests.listed("/v1/subscriptions", params):
            yield read.subscription(await self._whole(raw))

    async def subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription."""
        path = _path("/v1/subscriptions", subscription_id)
        return read.subscription(await self._whole(await self._requests.read(path)))

    @property
    def catalogue(self) -> StripeCatalogue:
        """Meters, products and prices, to read and to write."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.adapters.stripe_catalogue import (  # noqa: PLC0415
            StripeCatalogue,
        )

        return StripeCatalogue(self._requests)

    async def meters(self) -> tuple[MeterInfo, ...]:
        """Return every meter, deactivated ones too."""
        listed = self._requests.listed(_METERS, {})
        return tuple([read.meter(raw) async for raw in listed])

    async def newest_event(self, types: Sequence[str]) -> str | None:
        """Return the id of the newest event of these types, None if there is none."""
        params = {"types": list(types), "limit": 1}
        found = read.rows(await self._requests.read("/v1/events", params))
        return read.object_id(found[0]) if found else None

    async def events(
        self, after: str | None, types: Sequence[str], *, at_most: int = 1000
    ) -> list[StripeEvent]:
        """Return the events after the one called `after`, oldest first.

        Stripe keeps events for 30 days; `None` asks for the newest of all that are
        kept. Stops after the page that reaches `at_most`, so a longer answer means
        there may be more. NotFound says that `after` is no longer kept.
        """
        side = "ending_before" if after else "starting_after"
        pages: list[list[StripeEvent]] = []
        cursor = after
        while sum(map(len, pages)) < at_most:
            where = {side: cursor} if cursor else {}
            params = {"types": list(types), "limit": PAGE, **where}
            page = await self._requests.read("/v1/events", params)
            events = [read.event(raw) for raw in read.rows(page)]  # newest first
            pages.append(events[::-1])
            if not events or page.get("has_more") is not True:
                break
            cursor = events[0 if after else -1].id
        ordered = pages if after else pages[::-1]
        return [event for events in ordered for event in events]

    async def summary(
        self,
        meter_id: str,
        customer_id: str,
        start: datetime,
        end: datetime,
        window: str | None = None,
    ) -> Decimal:
        """Return what Stripe has counted in `[start, end)`; it lags by up to minutes.

        `start` and `end` are whole minutes, or whole UTC hours or days with a
        `window` of "hour" or "day", whose values are added up.
        """
        found = await self.summaries(meter_id, customer_id, start, end, window)
        return sum((each.value for each in found), Decimal(0))

    async def summaries(
        self,
        meter_id: str,
        customer_id: str,
        start: datetime,
        end: datetime,
        window: str | None = None,
    ) -> list[MeterSummary]:
        """Return what `summary` adds up, oldest first; hours without usage are missing.

        Takes a request for each hundred hours or days.
        """
        params: Json = {
            "customer": customer_id,
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
        }
        if window:
            params["value_grouping_window"] = window
        path = f"{_path(_METERS, meter_id)}/event_summaries"
        found = [
            MeterSummary(read.moment(raw, "start_time") or start, read.aggregated(raw))
            async for raw in self._requests.listed(path, params)
        ]
        return sorted(found, key=lambda each: each.start)

    async def send_meter_event(self, event: MeterEvent) -> Delivered:
        """Send one meter event, once, and say what became of it.

        The identifier makes a repeat safe: Stripe counts it once within 24 hours.
        Every attempt has its own Idempotency-Key, because Stripe replays a stored
        500 to an old one.

        Raises:
            StripeUnreachable: It was surely not counted: no connection, or put off.
        """
        (attempt,) = await self._sink.send([event])
        if attempt.answer is Answer.BUSY:
            raise StripeUnreachable(attempt.message)
        return Delivered(
            _OUTCOMES[attempt.answer],
            attempt.message,
            attempt.request_id,
            attempt.latency_ms,
        )

    async def cancel(self, event_name: str, identifier: str) -> Cancellation:
        """Ask Stripe, once, not to count an event it received within 24 hours.

        Stripe takes the event out of its totals a little later. Asking again does
        no harm.

        Raises:
            StripeUnreachable: It was surely not done: no connection, or put off.
        """
        params: Json = {
            "event_name": event_name,
            "type": "cancel",
            "cancel": {"identifier": identifier},
        }
        try:
            answer = await self._requests.send("post", _ADJUSTMENTS, params)
        except RequestFailed as failure:
            fault = failure.fault
            outcome = _cancelled(fault)
            if outcome is None:
                raise fault.as_error() from failure
            return Cancellation(outcome, fault.message, fault.request_id)
        return Cancellation(CancelOutcome.DONE, request_id=answer.request_id)

    def core_events(
        self, after: datetime, types: Sequence[str] = LATE_ERRORS
    ) -> AsyncIterator[ErrorReport]:
        """Yield Stripe's reports of events it did not count, in no certain order.

        Those created at `after` or later; Stripe keeps them for 30 days.
        """
        return error_reports(self._requests, after, types)

    async def core_event(self, event_id: str) -> ErrorReport:
        """Return one report, such as a notification names; it comes with its data."""
        return await error_report(self._requests, event_id)

    async def destinations(self) -> tuple[Destination, ...]:
        """Return every URL that Stripe pushes events to."""
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.adapters.stripe_destinations import (  # noqa: PLC0415
            destinations,
        )

        return await destinations(self._requests)

    async def _whole(self, raw: Json) -> Json:
        """Return the subscription with all its items: Stripe embeds the first few."""
        items = raw.get("items")
        if not isinstance(items, Mapping) or items.get("has_more") is not True:
            return raw
        params = {"subscription": read.object_id(raw)}
        listed = self._requests.listed("/v1/subscription_items", params)
        return {**raw, "items": {"data": [item async for item in listed]}}


def _default_keys(event_name: str) -> None:
    """Know nothing of a meter: test events go out under Stripe's own keys."""


def _path(folder: str, object_id: str) -> str:
    if not object_id:
        raise BadInput(f"an empty id names nothing in Stripe's {folder}")
    return f"{folder}/{quote(object_id, safe='')}"


def _cancelled(fault: Fault) -> CancelOutcome | None:
    """Return what a failed cancellation means; None when it was surely not done."""
    match fault.kind:
        case FaultKind.NOT_SENT | FaultKind.BUSY:
            return None
        case FaultKind.LOST | FaultKind.BROKEN:
            return CancelOutcome.UNKNOWN
        case FaultKind.REFUSED | FaultKind.OTHER_MODE:
            # By its words: what Stripe calls this refusal is not documented.
            words = fault.message.lower()
            again = "already" in words and "cancel" in words
            return CancelOutcome.ALREADY if again else CancelOutcome.REFUSED
