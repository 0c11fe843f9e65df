"""Tenants that subscribe to prices of every form, on a local Stripe."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.support.billed import CYCLED, MONTHLY, Billed
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.catalogue import Catalogue, MeterSpec, PriceSpec
from meterdeck.core.model.context import Context, PlanRule
from meterdeck.core.model.costs import ItemCost, TenantCost
from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import PerUnit
from meterdeck.core.model.usage import (
    BilledBy,
    Plan,
    PlanName,
    Resource,
    ResourceKind,
    ResourceName,
    Tenant,
)
from meterdeck.core.services.engine import Engine

FORMS: Mapping[str, dict[str, object]] = {
    "units": {"unit_amount_decimal": "0.37"},
    "packages": {
        "unit_amount": 250,
        "transform_quantity": {"divide_by": 1000, "round": "up"},
    },
    "full_packages": {
        "unit_amount": 99,
        "transform_quantity": {"divide_by": 7, "round": "down"},
    },
    "graduated": {
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [
            {"up_to": 1000, "unit_amount_decimal": "1.005", "flat_amount": 500},
            {"up_to": 10_000, "unit_amount_decimal": "0.5"},
            {"up_to": "inf", "unit_amount": 1, "flat_amount_decimal": "7.5"},
        ],
    },
    "volume": {
        "billing_scheme": "tiered",
        "tiers_mode": "volume",
        "tiers": [
            {"up_to": 5, "unit_amount": 700},
            {"up_to": "inf", "unit_amount_decimal": "650.25", "flat_amount": 10},
        ],
    },
}  # fmt: skip
EXACTLY = replace(CYCLED, scale=3)
RESOURCES = tuple(
    replace(EXACTLY, name=ResourceName(name), meter=name, label=name.capitalize())
    for name in FORMS
)
GAUGE = Resource(
    ResourceName("disk"), "Disk", "GB", meter="disk", kind=ResourceKind.GAUGE
)
RENDERS = replace(
    CYCLED,
    name=ResourceName("renders"),
    label="Renders",
    meter="renders",
    billed_by=BilledBy.EVENTS,
)
BASIC, RICH, VAGUE = PlanName("basic"), PlanName("rich"), PlanName("vague")


@dataclass
class Shop:
    """A context whose tenants subscribe to whatever a test wants.

    Attributes:
        meters: Id by event name.
    """

    engine: Engine
    stripe: StripeSide
    billed: Billed
    meters: dict[str, str] = field(default_factory=dict)

    def price(
        self, event_name: str = "", currency: str = "usd", **terms: object
    ) -> str:
        """Create a monthly price, on a meter or without."""
        recurring: dict[str, object] = {"interval": "month"}
        if event_name:
            if event_name not in self.meters:
                formula = "last" if event_name == GAUGE.meter else "sum"
                self.meters[event_name] = (
                    self.stripe.meter
                    if event_name == MONTHLY.meter
                    else self.stripe.seller.meter(event_name, formula)
                )
            meter = self.meters[event_name]
            recurring |= {"usage_type": "metered", "meter": meter}
        product = terms.pop("product", "") or self.stripe.seller.product(
            event_name or "Fee"
        )
        terms.setdefault("recurring", recurring)
        made = {"product": product, "currency": currency, **terms}
        return str(self.stripe.local.call("POST", "/v1/prices", made)["id"])

    async def tenant(self, name: str, *prices: str, **more: object) -> Tenant:
        """Subscribe a tenant to these prices and return its entry."""
        customer = self.stripe.customer(name)
        self.stripe.seller.subscription(customer, *prices, **more)
        await self.engine.directory.refresh()
        tenant = await self.engine.directory.get(name)
        self.billed.tenants[name] = tenant
        return tenant

    def event(self, tenant: Tenant, event_name: str, value: str, at: int) -> None:
        """Send a meter event as an application does that knows no meterdeck."""
        self.stripe.seller.event(
            tenant.customer, value, event_name=event_name, timestamp=at
        )


@asynccontextmanager
async def open_shop(
    stripe: StripeSide, redis: Redis, context: Context, gateway: StripeGateway
) -> AsyncIterator[Shop]:
    """Plans basic and rich name their prices, vague does not."""
    context = replace(
        context,
        resources=(MONTHLY, *RESOURCES, GAUGE, RENDERS),
        plans={name: Plan(name, name, {}) for name in (BASIC, RICH, VAGUE)},
        plan_rules=(
            PlanRule(BASIC, lookup_keys=frozenset({"basic_fee"})),
            PlanRule(RICH, lookup_keys=frozenset({"rich_fee", "rich_units"})),
            PlanRule(VAGUE, products=frozenset({"prod_vague"})),
        ),
        catalogue=Catalogue(
            {"calls": MeterSpec("calls", MONTHLY.meter, "Calls"),
             "new": MeterSpec("new", "not_there_yet", "New")},
            {},
            {"planned": PriceSpec("planned", "calls_2027", "", "usd",
                                  PerUnit(Decimal(3)), meter="calls"),
             "dreamt": PriceSpec("dreamt", "dreamt", "", "usd",
                                 PerUnit(Decimal(3)), meter="new")},
        ),
    )  # fmt: skip
    async with Engine(context) as engine:
        yield Shop(engine, stripe, Billed(redis, context, stripe, gateway))


def by_label(cost: TenantCost) -> dict[str, ItemCost]:
    """Return the items by what they are called."""
    return {each.label: each for each in cost.items}


def so_far(item: ItemCost) -> str:
    """Return what an item costs so far, as it is read."""
    assert item.so_far is not None, item.problem
    return str(Money.of_minor(item.so_far.total, item.currency))
