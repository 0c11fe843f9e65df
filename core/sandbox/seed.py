"""Fill the local Stripe and Redis with a fleet that has a past."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from meterdeck.core.adapters.catalogue_fields import (
    meter_fields,
    price_fields,
    product_fields,
)
from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Cycle, current_period
from meterdeck.core.model.usage import (
    PlanName,
    TenantStatus,
)
from meterdeck.core.sandbox.cast import TRIAL, Character
from meterdeck.core.sandbox.catalogue import (
    CATALOGUE,
    METERED_BY_PLAN,
    fee_of,
)
from meterdeck.core.sandbox.roster import Roster

_Params = Mapping[str, object]
_T = TypeVar("_T")

# Customers made in one go, between two turns of the event loop.
_STRIPE_BATCH: Final = 50
_REDIS_BATCH: Final = 1_000


async def fill_stripe(stripe: LocalStripe, characters: Iterable[Character]) -> None:
    """Create meters, products, prices, customers and subscriptions.

    Other tasks get their turn after every few customers.
    """
    items = _sell(stripe)
    for batch in _batches(characters, _STRIPE_BATCH):
        for character in batch:
            _sign_up(stripe, character, items)
        await asyncio.sleep(0)


async def fill_counters(
    redis: Redis,
    context: Context,
    characters: Iterable[Character],
    roster: Roster,
    now: datetime,
) -> None:
    """Give every tenant the usage it had so far; counters that exist are kept."""
    for batch in _batches(characters, _REDIS_BATCH):
        async with redis.pipeline(transaction=False) as pipeline:
            for character in batch:
                cycle = roster.cycle_of(character.company.id)
                for key, used, expires_at in _past(context, character, cycle, now):
                    pipeline.set(key, used, nx=True, exat=expires_at)
            with redis_errors(write="the fleet's usage so far"):
                await pipeline.execute()


def _past(
    context: Context, character: Character, cycle: Cycle | None, now: datetime
) -> Iterator[tuple[bytes, int, datetime]]:
    retention = timedelta(days=context.redis.retention_days)
    for resource in context.resources:
        period = current_period(resource.period, cycle, now)
        elapsed = (now - period.start) / (period.end - period.start)
        used = character.used(resource.name, elapsed)
        key = context.redis.layout.counter(
            character.company.id, resource.name, period.label
        )
        if used:
            yield key, used, period.end + retention


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _sell(stripe: LocalStripe) -> dict[PlanName, list[_Params]]:
    """Create what is sold, and return the subscription items of each plan."""
    meters = {
        spec.name: _id_of(stripe.call("POST", "/v1/billing/meters", meter_fields(spec)))
        for spec in CATALOGUE.meters.values()
    }
    for product in CATALOGUE.products.values():
        stripe.call("POST", "/v1/products", product_fields(product))
    prices: dict[str, _Params] = {}
    for spec in CATALOGUE.prices.values():
        product_id = CATALOGUE.products[spec.product].id
        fields = price_fields(spec, product_id, meters.get(spec.meter, ""))
        prices[spec.name] = {"price": _id_of(stripe.call("POST", "/v1/prices", fields))}
    return {
        plan: [prices[name] for name in (fee_of(plan), *metered)]
        for plan, metered in METERED_BY_PLAN.items()
    }


def _sign_up(
    stripe: LocalStripe,
    character: Character,
    items: Mapping[PlanName, list[_Params]],
) -> None:
    """Make the customer, and the subscription in the state it is to be in."""
    customer = stripe.call(
        "POST",
        "/v1/customers",
        {
            "name": character.company.name,
            "email": character.email,
            "metadata": {"tenant": character.company.id},
        },
    )
    if not character.plan:
        return
    asked: dict[str, object] = {
        "customer": _id_of(customer),
        "items": items[character.plan],
    }
    trial = character.status is TenantStatus.TRIALING
    if trial:
        asked["trial_end"] = int(character.anchor.timestamp())
    with stripe.without_invoices():
        subscription = _id_of(stripe.call("POST", "/v1/subscriptions", asked))
    stripe.set_subscription(
        subscription,
        status=character.status.value,
        billing_cycle_anchor=None if trial else character.anchor,
        created=character.anchor - TRIAL if trial else character.anchor,
    )


def _id_of(answer: Mapping[str, object]) -> str:
    return str(answer["id"])
