"""The one account a local Stripe holds, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappush

from meterdeck.core.local_stripe.alert_records import Alert, AlertFired, UsageToCheck
from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.credit_records import CreditGrant, CreditTransaction
from meterdeck.core.local_stripe.error_reports import ErrorReports
from meterdeck.core.local_stripe.event_log import EventLog
from meterdeck.core.local_stripe.faults.panel import Panel
from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.local_stripe.invoice_records import Invoice
from meterdeck.core.local_stripe.outbox import Outbox
from meterdeck.core.local_stripe.push_records import (
    Delivery,
    EventDestination,
    ThinTwin,
    WebhookEndpoint,
)
from meterdeck.core.local_stripe.push_switches import PushSwitches
from meterdeck.core.local_stripe.records import (
    Customer,
    FrozenClock,
    Meter,
    Price,
    Product,
    Subscription,
)
from meterdeck.core.local_stripe.usage import UsageStore


def nobody_keeps() -> None:
    """Do nothing: the account is gone when it ends."""


class World:
    """Hold every object of the account, in memory, for one event loop.

    Attributes:
        ahead: By how much the account's clock is ahead of the one it was given.
        invoices_starts: Whether a new subscription is invoiced at once.
    """

    def __init__(
        self, now: Callable[[], datetime], *, summary_lag_s: float, seed: int | None
    ) -> None:
        self._given_now = now
        self.ahead = timedelta(0)
        self.invoices_starts = True
        self.ids = Ids(seed)
        self.meters = Collection[Meter]("billing meter")
        self.meter_of_event: dict[str, str] = {}
        self.products = Collection[Product]("product")
        self.prices = Collection[Price]("price", lambda price: price.product)
        self.price_of_lookup_key: dict[str, str] = {}
        self.customers = Collection[Customer]("customer")
        self.subscriptions = Collection[Subscription](
            "subscription", lambda subscription: subscription.customer
        )
        self.subscription_of_item: dict[str, str] = {}
        self.invoices = Collection[Invoice]("invoice", lambda each: each.customer)
        self.test_clocks = Collection[FrozenClock]("test clock")
        # When each subscription, draft invoice and test clock changes by itself next;
        # stale entries are skipped, what is on a test clock has none.
        self.due: list[tuple[datetime, str]] = []
        self.alerts = Collection[Alert]("billing alert", lambda alert: alert.meter)
        self.alerts_fired = Collection[AlertFired]("fired alert")
        self.usage_to_check: dict[str, UsageToCheck] = {}
        self.credit_grants = Collection[CreditGrant](
            "credit grant", lambda grant: grant.customer
        )
        self.credit_transactions = Collection[CreditTransaction](
            "credit balance transaction", lambda entry: entry.grant
        )
        # When what is left of each grant is lost; stale entries are skipped.
        self.credits_expiring: list[tuple[datetime, str]] = []
        self.panel = panel = Panel(seed, summary_lag_s=summary_lag_s)
        self.usage = UsageStore(lambda: panel.faults.summary_lag_s)
        self.webhook_endpoints = Collection[WebhookEndpoint]("webhook endpoint")
        self.event_destinations = Collection[EventDestination]("event destination")
        self.thin_twins = Collection[ThinTwin]("event")
        self.deliveries = Collection[Delivery]("delivery", lambda each: each.event)
        self.pushes = PushSwitches()
        self.outbox = Outbox(self)
        self.events = EventLog(self.ids, self.now, self.outbox.plan)
        self.reports = ErrorReports(self.ids, self.outbox.plan_thin)
        self.sessions: dict[str, datetime] = {}
        # Told at the end of each request; whoever keeps the account writes then.
        self.save: Callable[[], None] = nobody_keeps
        # What whoever runs the account wants to find with it.
        self.notes: dict[str, str] = {}
        self.on_meter_event: Callable[[ReceivedMeterEvent], None] | None = None

    def now(self) -> datetime:
        """Give the time of everything that is on no test clock."""
        return self._given_now() + self.ahead

    def advance_by(self, delta: timedelta) -> None:
        """Move the account's clock forward; what came due happens at the next request.

        Test clocks stand where they stood.
        """
        if delta < timedelta(0):
            raise ValueError(f"the account's clock cannot go back by {-delta}")
        self.ahead += delta

    def time_of(self, customer_id: str) -> datetime:
        """Give the time of a customer and of all that is its: its test clock's."""
        clock = self.clock_of(customer_id)
        return self.now() if clock is None else clock.frozen_time

    def clock_of(self, customer_id: str) -> FrozenClock | None:
        """Give the test clock a customer is on, None for the account's clock."""
        customer = self.customers.find(customer_id)
        if customer is None or customer.test_clock is None:
            return None
        return self.test_clocks.find(customer.test_clock)

    def plan(self, due: datetime, object_id: str, customer_id: str) -> None:
        """Plan a change of an object; a test clock looks for its own."""
        if self.clock_of(customer_id) is None:
            heappush(self.due, (due, object_id))

    def living_customer(self, customer_id: str, param: str) -> Customer:
        """Give a customer that was not deleted, or refuse."""
        customer = self.customers.find(customer_id)
        if customer is None or customer.deleted:
            # A miss in the collection is the refusal itself.
            return Collection[Customer]("customer").get(customer_id, param)
        return customer
