"""What tests need to have in a local Stripe before they start."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meterdeck.core.local_stripe import LocalStripe


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime

    @classmethod
    def at_noon(cls) -> "Clock":
        """Give a clock that stands at noon of an ordinary day."""
        return cls(datetime(2026, 3, 10, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Give the time."""
        return self.at

    @property
    def seconds(self) -> int:
        """Give the time as Unix seconds."""
        return int(self.at.timestamp())

    def move(self, **delta: float) -> None:
        """Move on, by `days=`, `hours=`, `seconds=`."""
        self.at += timedelta(**delta)


@dataclass(frozen=True)
class Seller:
    """Make objects in process; each answers with the new id."""

    local: LocalStripe

    def meter(
        self, event_name: str = "api_requests", formula: str = "sum", **more: object
    ) -> str:
        """Create a meter."""
        return self._create(
            "/v1/billing/meters",
            display_name=event_name,
            event_name=event_name,
            default_aggregation={"formula": formula},
            **more,
        )

    def product(self, name: str = "Platform") -> str:
        """Create a product."""
        return self._create("/v1/products", name=name)

    def metered_price(self, meter: str, product: str, **more: object) -> str:
        """Create a metered price of a tenth of a cent."""
        recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
        given = {"tiers", "unit_amount", "unit_amount_decimal"} & more.keys()
        amount = {} if given else {"unit_amount_decimal": "0.1"}
        return self._create(
            "/v1/prices",
            product=product,
            recurring=recurring,
            **{"currency": "usd", **amount, **more},
        )

    def licensed_price(self, product: str, **more: object) -> str:
        """Create a monthly price of ten dollars."""
        return self._create(
            "/v1/prices",
            product=product,
            **{
                "currency": "usd",
                "unit_amount": 1000,
                "recurring": {"interval": "month"},
                **more,
            },
        )

    def cent_and_fee(self) -> tuple[str, str]:
        """Create a metered price of a cent, and a monthly one of ten dollars."""
        product = self.product()
        metered = self.metered_price(self.meter(), product, unit_amount=1)
        return metered, self.licensed_price(product)

    def customer(self, name: str = "Acme", **more: object) -> str:
        """Create a customer."""
        return self._create("/v1/customers", name=name, **more)

    def subscription(self, customer: str, *prices: str, **more: object) -> str:
        """Create a subscription."""
        items = [{"price": price} for price in prices]
        return self._create("/v1/subscriptions", customer=customer, items=items, **more)

    def subscribed(
        self, customer: str, items: list[dict[str, object]], **more: object
    ) -> str:
        """Create a subscription of whole items."""
        return self._create("/v1/subscriptions", customer=customer, items=items, **more)

    def credits(self, customer: str, cents: int, **more: object) -> str:
        """Give credits for all metered prices, in dollars."""
        return self._create(
            "/v1/billing/credit_grants",
            customer=customer,
            amount={
                "type": "monetary",
                "monetary": {"currency": "usd", "value": cents},
            },
            applicability_config={"scope": {"price_type": "metered"}},
            **more,
        )

    def event(self, customer: str, value: str, **more: object) -> dict[str, object]:
        """Send a meter event."""
        payload = {"stripe_customer_id": customer, "value": value}
        return self.local.call(
            "POST",
            "/v1/billing/meter_events",
            {"event_name": "api_requests", "payload": payload, **more},
        )

    def _create(self, path: str, **params: object) -> str:
        return str(self.local.call("POST", path, params)["id"])
