"""What Stripe has of counters' periods, in their units, asked at a bounded rate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible
from meterdeck.core.services.reconcile.pacer import Pacer

MINUTE = timedelta(minutes=1)

# Stripe answers 25 reads a second in test mode and 100 in live mode, to all who ask
# for one account.
_PER_SECOND = {Mode.LIVE: 50.0, Mode.TEST: 20.0, Mode.SANDBOX: 200.0}


class Summaries:
    """Asks for what Stripe has of a customer on a meter."""

    def __init__(self, gateway: StripeGateway, context: Context) -> None:
        self._gateway = gateway
        self._pacer = Pacer(_PER_SECOND[context.mode])
        self._meters: dict[str, MeterInfo] | None = None

    async def learn_meters(self) -> None:
        """Read the meters; of two with one event name the active one counts.

        Raises:
            StripeUnreachable, StripeRefused: As the gateway says.
        """
        found = sorted(await self._gateway.meters(), key=lambda each: each.active)
        self._meters = {each.event_name: each for each in found}

    def meter(self, event_name: str) -> MeterInfo:
        """Return the meter that events of this name are for.

        Raises:
            NotFound: Stripe has none.
            Refused: It is one whose total is no sum.
        """
        assert self._meters is not None, "learn_meters comes first"
        meter = self._meters.get(event_name)
        if meter is None:
            raise NotFound(f"Stripe has no meter for the event {visible(event_name)}")
        if meter.formula != "sum":
            raise Refused(
                f"the meter of {visible(event_name)} has the formula {meter.formula};"
                " only sums can be compared with what was used"
            )
        if not meter.adds_up:
            window = visible(meter.event_time_window, 20)
            raise Refused(
                f"the meter of {visible(event_name)} counts only the last event of each"
                f" {window}; only sums of all can be compared with what was used"
            )
        return meter

    async def units(
        self,
        customers: Iterable[tuple[str, str]],
        start: datetime,
        end: datetime,
        scale: int,
    ) -> Decimal:
        """Return what Stripe has in `[start, end)`, whole minutes, of all of these.

        Args:
            customers: Pairs of an event name and a customer.

        Raises:
            NotFound, Refused: There is no such meter, or it is no sum.
            StripeUnreachable, StripeRefused: As the gateway says.
        """
        total = Decimal(0)
        for event_name, customer in sorted(customers):
            meter = self.meter(event_name)
            await self._pacer.turn()
            try:
                total += await self._gateway.summary(meter.id, customer, start, end)
            except NotFound:
                continue  # a customer Stripe does not have has used nothing
        exact = total.scaleb(scale)
        whole = exact.to_integral_value()
        return whole if whole == exact else exact
