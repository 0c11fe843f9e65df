"""What the sandbox sells: resources, plans, and the context that goes with them."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Final

from meterdeck.core.model.alert_rules import AlertRule, Measure, Severity
from meterdeck.core.model.catalogue import (
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.context import (
    AlertOptions,
    Context,
    Mode,
    PlanRule,
    RedisOptions,
    Secret,
    StripeOptions,
)
from meterdeck.core.model.money import parse_money
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.prices import PerUnit, PriceForm, Tier, Tiered, TiersMode
from meterdeck.core.model.usage import Plan, PlanName, Resource, ResourceName

CONTEXT_NAME: Final = "sandbox"

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


def _usd(text: str) -> Decimal:
    return parse_money(f"{text} USD").minor


def _price(
    name: str, form: PriceForm, meter: str = "", nickname: str = ""
) -> PriceSpec:
    return PriceSpec(
        name, name, _PRODUCT.name, "usd", form, meter=meter, nickname=nickname
    )


def _fee(plan: PlanName, amount: str) -> PriceSpec:
    nickname = f"{plan.capitalize()}, by the month"
    return _price(fee_of(plan), PerUnit(_usd(amount)), nickname=nickname)


def _graduated(*tiers: tuple[int | None, str]) -> Tiered:
    steps = tuple(Tier(up_to, _usd(unit)) for up_to, unit in tiers)
    return Tiered(TiersMode.GRADUATED, steps)


def fee_of(plan: PlanName) -> str:
    """Return the lookup key of a plan's price by the month, which tells the plan."""
    return f"{plan}_monthly"


_PRODUCT: Final = ProductSpec("platform", "prod_platform", "Platform")
_API, _GB, _IMAGES = (resource.meter for resource in RESOURCES)

CATALOGUE: Final = Catalogue(
    meters=MappingProxyType(
        {
            resource.meter: MeterSpec(resource.meter, resource.meter, resource.label)
            for resource in RESOURCES
        }
    ),
    products=MappingProxyType({_PRODUCT.name: _PRODUCT}),
    prices=MappingProxyType(
        {
            price.name: price
            for price in (
                _price("api_calls_per_unit", PerUnit(_usd("0.01")), _API),
                _price(
                    "api_calls_graduated",
                    _graduated((10_000, "0.005"), (100_000, "0.002"), (None, "0.001")),
                    _API,
                ),
                _price("storage_gb_per_unit", PerUnit(_usd("0.12")), _GB),
                _price(
                    "images_graduated",
                    _graduated((100, "0.04"), (1_000, "0.03"), (None, "0.025")),
                    _IMAGES,
                ),
                _fee(FREE, "0"),
                _fee(STARTER, "19"),
                _fee(PRO, "99"),
                _fee(SCALE, "499"),
                _fee(ENTERPRISE, "2500"),
            )
        }
    ),
)
"""What the sandbox's Stripe sells, and what its context declares: they agree."""

METERED_BY_PLAN: Final = MappingProxyType(
    {
        FREE: (),
        STARTER: ("api_calls_per_unit",),
        PRO: ("api_calls_per_unit", "storage_gb_per_unit", "images_graduated"),
        SCALE: ("api_calls_graduated", "storage_gb_per_unit", "images_graduated"),
        ENTERPRISE: ("api_calls_graduated", "storage_gb_per_unit", "images_graduated"),
    }
)
"""Prices of usage that come with a plan's fee."""


ALERTS: Final = AlertOptions(
    rules=(
        AlertRule("near_limit", Measure.PERCENT, (90,), resource=API_CALLS, plan=PRO),
        AlertRule(
            "soon",
            Measure.TIME_TO_LIMIT,
            (900,),
            Severity.CRITICAL,
            resource=API_CALLS,
        ),
        AlertRule("late", Measure.LAG, (120,), Severity.CRITICAL),
        AlertRule("drift", Measure.DRIFT_PERCENT, (5,)),
    )
)
"""Few enough to look at; the fault panel's outage makes delivery late."""


def sandbox_context(*, redis_url: str, stripe_api_base: str, api_key: str) -> Context:
    """Return the context of a sandbox that answers at these addresses.

    Both servers are on this machine, so both are asked every second, an override
    may stay for good, and the console may change things at once.
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
            PlanRule(plan, lookup_keys=frozenset({fee_of(plan)})) for plan in PLANS
        ),
        default_plan=FREE,
        override_needs_expiry=False,
        arm_minutes=0,
        catalogue=CATALOGUE,
        alerts=ALERTS,
    )
