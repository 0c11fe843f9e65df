"""Which prices can be: amounts, tiers, packages, and the meter behind usage."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Amount, Recurring, Tier
from meterdeck.core.local_stripe.refusals import (
    LocalStripeRefusal,
    invalid,
    missing_param,
)
from meterdeck.core.local_stripe.schema import (
    Exact,
    Integer,
    Kind,
    ListOf,
    Section,
    Text,
)
from meterdeck.core.local_stripe.world import World

_AMOUNT = Integer(0, 999_999_999_999)
RECURRING = Section(
    {
        "interval": Text(choices=("day", "month", "week", "year")),
        "interval_count": Integer(1, 1_095),
        "meter": Text(),
        "trial_period_days": Integer(0, 730),
        "usage_type": Text(choices=("licensed", "metered")),
    },
    required=("interval",),
)
AMOUNTS: dict[str, Kind] = {
    "billing_scheme": Text(choices=("per_unit", "tiered")),
    "recurring": RECURRING,
    "tiers": ListOf(
        Section(
            {
                "flat_amount": _AMOUNT,
                "flat_amount_decimal": Exact(),
                "unit_amount": _AMOUNT,
                "unit_amount_decimal": Exact(),
                "up_to": Integer(1, word="inf"),
            },
            required=("up_to",),
        )
    ),
    "tiers_mode": Text(choices=("graduated", "volume")),
    "transform_quantity": Section(
        {"divide_by": Integer(1), "round": Text(choices=("down", "up"))},
        required=("divide_by", "round"),
    ),
    "unit_amount": _AMOUNT,
    "unit_amount_decimal": Exact(),
}


def recurring_of(world: World, sent: Parameters) -> Recurring | None:
    """Read `recurring`; a metered price must name an active meter."""
    section = sent.section("recurring")
    if section is None:
        return None
    meter = section.text("meter")
    usage_type = section.text("usage_type") or "licensed"
    if usage_type == "metered" and meter is None:
        raise invalid(
            "Metered prices must be backed by a meter. Pass the meter's id as"
            " recurring[meter].",
            "recurring[meter]",
            "parameter_missing",
        )
    if usage_type != "metered" and meter is not None:
        raise invalid(
            "You may only specify recurring[meter] when recurring[usage_type] is"
            " `metered`.",
            "recurring[meter]",
        )
    if meter is not None and not world.meters.get(meter, "recurring[meter]").active:
        raise invalid(
            "The meter is inactive. Prices can only be created for active meters.",
            "recurring[meter]",
        )
    return Recurring(
        interval=section.required_text("interval"),
        interval_count=section.integer("interval_count") or 1,
        usage_type=usage_type,
        meter=meter,
        trial_period_days=section.integer("trial_period_days"),
    )


def unit_of(sent: Parameters) -> Amount:
    """Read the amount of a price without tiers."""
    for key in ("tiers", "tiers_mode"):
        if key in sent:
            raise invalid(
                f"`{key}` can only be set when `billing_scheme` is `tiered`.", key
            )
    amount = _amount(sent, "unit_amount")
    if amount.cents is None:
        raise missing_param("unit_amount")
    return amount


def tiers_of(sent: Parameters) -> tuple[Tier, ...]:
    """Read the tiers: ascending, the last one open."""
    for key in ("unit_amount", "unit_amount_decimal", "transform_quantity"):
        if key in sent:
            raise invalid(
                f"`{key}` can't be set when `billing_scheme` is `tiered`.", key
            )
    if sent.text("tiers_mode") is None:
        raise missing_param("tiers_mode")
    sections = sent.sections("tiers")
    if not sections:
        raise missing_param("tiers")
    tiers = tuple(_tier(section) for section in sections)
    bounds = [tier.up_to for tier in tiers]
    if bounds[-1] is not None or None in bounds[:-1]:
        raise invalid(
            "The last tier, and only it, must have `up_to` as `inf`.", "tiers"
        )
    steps = [bound for bound in bounds if bound is not None]
    if steps != sorted(set(steps)):
        raise invalid("Tiers must have ascending `up_to` values.", "tiers")
    return tiers


def _tier(section: Parameters) -> Tier:
    unit, flat = _amount(section, "unit_amount"), _amount(section, "flat_amount")
    if unit.cents is None and flat.cents is None:
        raise missing_param(section.path("unit_amount"))
    return Tier(up_to=section.integer("up_to"), unit=unit, flat=flat)


def _amount(section: Parameters, key: str) -> Amount:
    whole, exact = section.integer(key), section.decimal(f"{key}_decimal")
    if whole is not None and exact is not None:
        raise _both(section.path(key), section.path(f"{key}_decimal"))
    return Amount(cents=exact if whole is None else Decimal(whole))


def _both(one: str, other: str) -> LocalStripeRefusal:
    return invalid(f"You may only specify one of these parameters: {one}, {other}.")
