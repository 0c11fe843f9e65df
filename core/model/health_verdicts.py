"""All that a picture of a context's health says, in the order of the screen."""

from __future__ import annotations

from meterdeck.core.model.delivery_verdicts import delivery_items
from meterdeck.core.model.health import FleetHealth
from meterdeck.core.model.health_items import Expected, Item
from meterdeck.core.model.redis_verdicts import redis_items
from meterdeck.core.model.stripe_verdicts import stripe_items


def items(health: FleetHealth, expected: Expected) -> tuple[Item, ...]:
    """Return all there is to say: Redis, Stripe, delivery."""
    return (
        *redis_items(health.redis, health.at, expected),
        *stripe_items(health),
        *delivery_items(health, expected),
    )
