"""A stateful local Stripe: one test account, in memory, and in a file if you like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from meterdeck.core.local_stripe import forms
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.endpoint import Endpoint, Pace
from meterdeck.core.local_stripe.faults.control import Control
from meterdeck.core.local_stripe.faults.door import Door
from meterdeck.core.local_stripe.faults.panel import Panel
from meterdeck.core.local_stripe.faults.settling import settle
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.local_stripe.operations import Caller
from meterdeck.core.local_stripe.push_records import EventDestination, WebhookEndpoint
from meterdeck.core.local_stripe.push_switches import PushSwitches
from meterdeck.core.local_stripe.pusher import Pusher
from meterdeck.core.local_stripe.refusals import invalid, unknown_url
from meterdeck.core.local_stripe.renewal import placed, store
from meterdeck.core.local_stripe.running import run
from meterdeck.core.local_stripe.subscription_schemas import STATUSES
from meterdeck.core.local_stripe.subscription_view import render
from meterdeck.core.local_stripe.totals import Point
from meterdeck.core.local_stripe.webhook_endpoints import checked_url
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

if TYPE_CHECKING:
    from meterdeck.core.local_stripe.state.keeper import Keeper


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _copied(answer: Json) -> Json:
    """Give a copy: nobody can change the account through an answer."""
    copy: Json = json.loads(json.dumps(answer))
    return copy


class LocalStripe:
    """Answer what Stripe answers about meters, prices, customers, subscriptions.

    Belongs to one event loop; nothing is locked. `app` is the ASGI application.

    Args:
        api_key: The only key that is accepted.
        now: The account's clock; must give aware datetimes.
        summary_lag_s: Seconds until an event shows in summaries.
        seed: Makes objects' ids repeat from run to run.
        state: File that the account is kept in, and taken up from where there is one;
            None for memory alone. Everything that was answered is in it, even if this
            process is killed; what goes wrong on purpose (`panel`) is not.

    Raises:
        ConfigError: The file is in use, none of ours, or of another version.
    """

    def __init__(
        self,
        *,
        api_key: str = "sk_test_sandbox",
        now: Callable[[], datetime] = _utc_now,
        summary_lag_s: float = 0.0,
        seed: int | None = None,
        state: Path | None = None,
    ) -> None:
        self._world = World(now, summary_lag_s=summary_lag_s, seed=seed)
        self._endpoint = Endpoint(self._world, api_key)
        self.api_key = api_key
        self.app: ASGIApp = Door(self._world, self._endpoint, Control(self._world))
        self._keeper = self._kept_in(state) if state else None

    def _kept_in(self, path: Path) -> Keeper:
        # It takes a while to import, and most are in memory alone.
        from meterdeck.core.local_stripe.state.keeper import Keeper  # noqa: PLC0415

        keys = {"keys": self._endpoint.keys, "keys_of_v2": self._endpoint.keys_of_v2}
        keeper = Keeper(path, self._world, keys)
        self._forget_forwarding()
        return keeper

    @property
    def restored(self) -> bool:
        """Whether it goes on with an account that was kept."""
        return self._keeper is not None and self._keeper.restored

    @property
    def notes(self) -> MutableMapping[str, str]:
        """What is kept with the account for whoever runs it."""
        return self._world.notes

    def at_once(self) -> AbstractContextManager[None]:
        """Keep what happens within at its end only; where it fails, none of it."""
        return self._keeper.at_once() if self._keeper else nullcontext()

    def close(self) -> None:
        """Close the file, if there is one; the account goes on in memory."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    @property
    def on_meter_event(self) -> Callable[[ReceivedMeterEvent], None] | None:
        """Called with each meter event that was accepted or refused.

        A replay of an idempotency key is not told again.
        """
        return self._world.on_meter_event

    @on_meter_event.setter
    def on_meter_event(self, told: Callable[[ReceivedMeterEvent], None] | None) -> None:
        self._world.on_meter_event = told

    @property
    def panel(self) -> Panel:
        """What goes wrong on purpose."""
        return self._world.panel

    def settle(self) -> int:
        """Show everything now that shows later; return how many things it were."""
        settled = settle(self._world)
        self._world.save()
        return settled

    @property
    def pace(self) -> Pace | None:
        """Awaited with method and path before each HTTP request runs."""
        return self._endpoint.pace

    @pace.setter
    def pace(self, pace: Pace | None) -> None:
        self._endpoint.pace = pace

    @property
    def pushes(self) -> PushSwitches:
        """Trouble on the way to webhooks."""
        return self._world.pushes

    @property
    def forwarding_secret(self) -> str:
        """What pushes to `forward`'s URLs are signed with: the same in every run."""
        digest = hashlib.sha256(f"forward {self.api_key}".encode()).hexdigest()
        return f"whsec_{digest[:32]}"

    def forward(self, url: str, *, thin: bool = False) -> None:
        """Push every event from now on to a URL, as snapshots or as thin events.

        Raises:
            LocalStripeRefusal: Not a URL of HTTP.
        """
        world = self._world
        now = world.now()
        checked_url(url, "url")
        if not thin:
            world.webhook_endpoints.put(
                WebhookEndpoint(
                    id=world.ids.dated("we", now),
                    created=now,
                    url=url,
                    secret=self.forwarding_secret,
                    enabled_events=("*",),
                )
            )
            return
        world.event_destinations.put(
            EventDestination(
                id=world.ids.v2("ed"),
                created=now,
                updated=now,
                name="forwarded",
                url=url,
                secret=self.forwarding_secret,
                enabled_events=("*",),
                thin=True,
            )
        )

    def _forget_forwarding(self) -> None:
        """Push nothing to the URLs of an earlier run's `forward`."""
        world = self._world
        for endpoint in list(world.webhook_endpoints):
            if endpoint.secret == self.forwarding_secret:
                world.webhook_endpoints.drop(endpoint.id)
        for destination in list(world.event_destinations):
            if destination.secret == self.forwarding_secret:
                world.event_destinations.drop(destination.id)

    async def push(self) -> None:
        """Send events to webhooks until cancelled; the server does it."""
        await Pusher(self._world).run()

    def call(
        self, method: str, path: str, params: Mapping[str, object]
    ) -> dict[str, object]:
        """Do in process what an HTTP request would, by the same rules, without a key.

        Raises:
            LocalStripeRefusal: Stripe's error answer.
        """
        found = OPERATIONS.find(method, path)
        if found is None:
            raise unknown_url(method, path)
        raw = forms.from_python(params)
        if not isinstance(raw, dict):
            raise invalid("The parameters must be a mapping.")
        operation, ids = found
        caller = Caller(self._world.ids.request(), None, "meterdeck sandbox")
        try:
            return _copied(run(self._world, operation, ids, raw, caller))
        finally:
            self._world.save()

    def advance_by(self, delta: timedelta) -> None:
        """Move the account's clock forward; test clocks stand where they stood.

        What came due happens at the next request.

        Raises:
            ValueError: It would go back.
        """
        self._world.advance_by(delta)
        self._world.save()

    @contextmanager
    def without_invoices(self) -> Iterator[None]:
        """Invoice no subscription that is created meanwhile: for seeding a sandbox.

        Its periods are invoiced from the next one on.
        """
        self._world.invoices_starts = False
        try:
            yield
        finally:
            self._world.invoices_starts = True

    def set_subscription(
        self,
        subscription_id: str,
        *,
        status: str | None = None,
        billing_cycle_anchor: datetime | None = None,
        created: datetime | None = None,
    ) -> dict[str, object]:
        """Put a subscription where no request could: for seeding a sandbox.

        A new anchor (also a past one) moves every item into the period that holds
        now. No event is emitted.

        Raises:
            LocalStripeRefusal: No such subscription, or not a status of Stripe's.
        """
        world = self._world
        subscription = world.subscriptions.get(subscription_id)
        if status is not None and status not in STATUSES:
            raise invalid(f"Invalid status: must be one of {', '.join(STATUSES)}")
        if created is not None:
            start = created.replace(microsecond=0)
            subscription = replace(subscription, created=start, start_date=start)
        if status is not None:
            ended = world.now() if status == "canceled" else None
            subscription = replace(
                subscription, status=status, ended_at=ended, canceled_at=ended
            )
        if billing_cycle_anchor is not None:
            anchor = billing_cycle_anchor.replace(microsecond=0)
            subscription = replace(subscription, anchor=anchor)
            subscription = placed(world, subscription, world.now())
        store(world, subscription)
        world.save()
        return _copied(render(world, subscription))

    def add_usage(
        self, event_name: str, customer: str, value: Decimal, at: datetime
    ) -> None:
        """Count usage that no request brought, at any moment: for seeding a sandbox.

        Raises:
            LocalStripeRefusal: No such meter or customer.
        """
        world = self._world
        meter = world.meters.get(world.meter_of_event.get(event_name, event_name))
        owner = world.customers.get(customer, "customer")
        point = Point(seconds(at), world.usage.next_sequence(), value)
        world.usage.add_past(meter, owner.id, point)
        world.save()
