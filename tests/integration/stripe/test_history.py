"""Histories that Redis has forgotten, by Stripe's summaries."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.support.contexts import CALLS
from tests.support.stripe_side import running_stripe

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.history import DAY, Reading, Readings
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.tenant_history import (
    ResourceHistory,
    Source,
    TenantHistory,
)
from meterdeck.core.model.usage import Tenant, TenantId, Usage
from meterdeck.core.services.stripe_history import StripeHistory


async def test_stripe_tells_days_nobody_sampled_and_periods_redis_forgot() -> None:
    """Asked once: what is over does not change any more."""
    now = datetime.now(UTC)
    month = calendar_month(now)
    async with running_stripe() as side:
        context = side.context("redis://localhost")
        resource = context.resource(CALLS)
        customer = side.subscribed("acme")
        tenant = Tenant(TenantId("acme"), "Acme", customer=customer)
        two_ago = calendar_month(calendar_month(month.start - DAY).start - DAY)
        side.local.add_usage(
            resource.meter, customer, Decimal(700), two_ago.start + DAY
        )
        side.local.add_usage(resource.meter, customer, Decimal(40), month.start)
        limit = context.limit_of(tenant, CALLS)
        running = Readings((Reading(month.start, 0), Reading(now, 50)))
        usage = Usage(tenant.id, CALLS, month, 50, limit)
        known = TenantHistory(
            tenant, now, (ResourceHistory(resource, usage, now, running),)
        )
        assert context.stripe is not None
        gateway = StripeGateway(context.stripe, context.mode)
        history = StripeHistory(context, gateway)
        found = (await history.complete(known)).resources[0]
        asked = len(side.requests)
        assert await history.complete(known) is not None
        assert len(side.requests) == asked
        await gateway.close()

    periods = [(past.period.label, past.used, past.source) for past in found.earlier]
    last = calendar_month(month.start - DAY).label
    assert periods == [(last, 0, Source.STRIPE), (two_ago.label, 700, Source.STRIPE)]
    first = found.days()[0]
    assert now - month.start < DAY or (found.by_stripe, first.units) == (True, 40)
