"""The one account a local Stripe holds, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from meterdeck.core.local_stripe.alert_records import Alert, AlertFired, UsageToCheck
from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.credit_records import CreditGrant, CreditTransaction
from meterdeck.core.local_stripe.error_reports import ErrorReports
from meterdeck.core.local_stripe.event_log import EventLog
from meterdeck.core.local_stripe.faults.panel import Panel
from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.local_stripe.outbox import Outbox
from meterdeck.core.local_stripe.push_records import (
    Delivery,
    EventDestination,
    ThinTwin,
    WebhookEndpoint,
)
from meterdeck.core.local_stripe.records import (
    Customer,
    Meter,
    Price,
    Product,
    Subscription,
)
from meterdeck.core.local_stripe.usage import UsageStore


class World:
    """Hold every object of the account, in memory, for one event loop."""

    def __init__(
        self, now: Callable[[], datetime], *, summary_lag_s: float, seed: int | None
    ) -> None:
        self.now = now
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
        # When each subscription changes by itself next; stale entries are skipped.
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
        self.outbox = Outbox(self)
        self.events = EventLog(self.ids, now, self.outbox.plan)
        self.reports = ErrorReports(self.ids, self.outbox.plan_thin)
        self.sessions: dict[str, datetime] = {}
        self.on_meter_event: Callable[[ReceivedMeterEvent], None] | None = None

    def living_customer(self, customer_id: str, param: str) -> Customer:
        """Give a customer that was not deleted, or refuse."""
        customer = self.customers.find(customer_id)
        if customer is None or customer.deleted:
            # A miss in the collection is the refusal itself.
            return Collection[Customer]("customer").get(customer_id, param)
        return customer
