"""What the sandbox sells: resources, plans, and the context that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from meterdeck.core.model.context import (
    Context,
    Mode,
    PlanRule,
    RedisOptions,
    Secret,
    StripeOptions,
)
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import Plan, PlanName, Resource, ResourceName

CONTEXT_NAME: Final = "sandbox"
CURRENCY: Final = "usd"

API_CALLS: Final = ResourceName("api_calls")
STORAGE_GB: Final = ResourceName("storage_gb")
IMAGES: Final = ResourceName("images")

FREE: Final = PlanName("free")
STARTER: Final = PlanName("starter")
PRO: Final = PlanName("pro")
SCALE: Final = PlanName("scale")
ENTERPRISE: Final = PlanName("enterprise")

# Who watches the event log of a demo should not wait a minute for each line.
_FLUSH_S: Final = 10

RESOURCES: Final = (
    Resource(API_CALLS, "API calls", "call", meter="api_requests", flush_s=_FLUSH_S),
    Resource(
        STORAGE_GB, "Storage", "GB", scale=3, meter="storage_gb", flush_s=_FLUSH_S
    ),
    Resource(
        IMAGES,
        "Images",
        "image",
        meter="images",
        period=PeriodKind.BILLING_CYCLE,
        flush_s=_FLUSH_S,
    ),
)


def _plan(
    name: PlanName, api_calls: int | None, gb: int | None, images: int | None
) -> Plan:
    # Storage is counted in thousandths of a GB.
    thousandths = None if gb is None else gb * 1_000
    limits = {API_CALLS: api_calls, STORAGE_GB: thousandths, IMAGES: images}
    return Plan(name, name.capitalize(), MappingProxyType(limits))


PLANS: Final = MappingProxyType(
    {
        plan.name: plan
        for plan in (
            _plan(FREE, 1_000, 1, 50),
            _plan(STARTER, 10_000, 25, 500),
            _plan(PRO, 100_000, 250, 5_000),
            _plan(SCALE, 1_000_000, 2_500, 50_000),
            _plan(ENTERPRISE, None, None, None),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Fee:
    """A plan's price by the month, in cents."""

    plan: PlanName
    cents: int

    @property
    def lookup_key(self) -> str:
        """Name of the price; the plan of a subscription is told by it."""
        return f"{self.plan}_monthly"


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a graduated price; `up_to` is in whole units, None for the rest.

    `cents` is a decimal text: a unit may cost less than a cent.
    """

    up_to: int | None
    cents: str


@dataclass(frozen=True, slots=True)
class MeteredPrice:
    """What usage of a resource costs; one tier without an end is a price per unit."""

    lookup_key: str
    resource: ResourceName
    tiers: tuple[Tier, ...]


FEES: Final = (
    Fee(FREE, 0),
    Fee(STARTER, 1_900),
    Fee(PRO, 9_900),
    Fee(SCALE, 49_900),
    Fee(ENTERPRISE, 250_000),
)

API_PER_UNIT: Final = MeteredPrice("api_calls_per_unit", API_CALLS, (Tier(None, "1"),))
API_GRADUATED: Final = MeteredPrice(
    "api_calls_graduated",
    API_CALLS,
    (Tier(10_000, "0.5"), Tier(100_000, "0.2"), Tier(None, "0.1")),
)
STORAGE_PER_UNIT: Final = MeteredPrice(
    "storage_gb_per_unit", STORAGE_GB, (Tier(None, "12"),)
)
IMAGES_GRADUATED: Final = MeteredPrice(
    "images_graduated", IMAGES, (Tier(100, "4"), Tier(1_000, "3"), Tier(None, "2.5"))
)
METERED_PRICES: Final = (
    API_PER_UNIT,
    API_GRADUATED,
    STORAGE_PER_UNIT,
    IMAGES_GRADUATED,
)

METERED_BY_PLAN: Final = MappingProxyType(
    {
        FREE: (),
        STARTER: (API_PER_UNIT,),
        PRO: (API_PER_UNIT, STORAGE_PER_UNIT, IMAGES_GRADUATED),
        SCALE: (API_GRADUATED, STORAGE_PER_UNIT, IMAGES_GRADUATED),
        ENTERPRISE: (API_GRADUATED, STORAGE_PER_UNIT, IMAGES_GRADUATED),
    }
)


def sandbox_context(*, redis_url: str, stripe_api_base: str, api_key: str) -> Context:
    """Return the context of a sandbox that answers at these addresses.

    Both servers are on this machine, so both are asked every second, and an
    override may stay for good.
    """
    return Context(
        name=CONTEXT_NAME,
        mode=Mode.SANDBOX,
        read_only=False,
        redis=RedisOptions(url=redis_url),
        stripe=StripeOptions(
            api_key=Secret(api_key), api_base=stripe_api_base, poll_s=1.0
        ),
        resources=RESOURCES,
        plans=PLANS,
        plan_rules=tuple(
            PlanRule(fee.plan, lookup_keys=frozenset({fee.lookup_key})) for fee in FEES
        ),
        default_plan=FREE,
        override_needs_expiry=False,
    )
