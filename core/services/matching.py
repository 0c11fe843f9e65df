"""Which tenant a customer is, and which plan its subscription gives it."""

from __future__ import annotations

import hashlib
import json

from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import Cycle, Interval
from meterdeck.core.model.subscriptions import Customer, Subscription, SubscriptionItem
from meterdeck.core.model.usage import (
    PlanName,
    Tenant,
    TenantId,
    TenantStatus,
)

_NO_PLAN = PlanName("")
_NEVER = float("inf")


def tenant_of(
    customer: Customer, subscription: Subscription | None, context: Context
) -> Tenant:
    """Return the tenant a customer is, by its one subscription that counts.

    A subscription that has ended still names its plan, but gives no limits: what
    the context's default plan allows applies.
    """
    key = context.stripe.tenant_metadata_key if context.stripe else "tenant"
    tenant = TenantId(customer.metadata.get(key) or customer.id)
    name = customer.name or tenant
    if subscription is None:
        status = TenantStatus.NO_SUBSCRIPTION
        return Tenant(tenant, name, customer.id, status=status)
    plan = plan_of(subscription, context)
    rules = context.plans.get(plan)
    item = _leading_item(subscription)
    return Tenant(
        id=tenant,
        name=name,
        customer=customer.id,
        subscription=subscription.id,
        plan=plan,
        status=subscription.status,
        limits=rules.limits if rules and not subscription.ended else {},
        rules=rules.rules if rules and not subscription.ended else {},
        cycle=_cycle(subscription, item),
        period_start=item.period_start if item else None,
        period_end=item.period_end if item else None,
    )


def plan_of(subscription: Subscription, context: Context) -> PlanName:
    """Return the plan of a subscription, empty where none matches.

    Its own metadata `plan` wins where it names a configured plan; then the first
    rule of the context that fits any of its prices.
    """
    named = PlanName(subscription.metadata.get("plan", ""))
    if named in context.plans:
        return named
    for rule in context.plan_rules:
        for item in subscription.items:
            if rule.fits(item.lookup_key, item.price_id, item.product_id):
                return rule.plan
    return _NO_PLAN


def rules_digest(context: Context) -> str:
    """Return a digest of everything that decides what a tenant looks like.

    Entries written under another digest have to be read from Stripe again.
    """
    stripe = context.stripe
    rules = [
        [rule.plan, *map(sorted, (rule.lookup_keys, rule.prices, rule.products))]
        for rule in context.plan_rules
    ]
    limits = {name: dict(plan.limits) for name, plan in context.plans.items()}
    enforced = {
        name: {resource: rule.text for resource, rule in plan.rules.items()}
        for name, plan in context.plans.items()
    }
    where = [stripe.api_base, stripe.tenant_metadata_key] if stripe else []
    text = json.dumps([context.mode, where, rules, limits, enforced], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _leading_item(subscription: Subscription) -> SubscriptionItem | None:
    """Return the item whose period counts: metered before others, soonest over."""
    return min(subscription.items, key=_precedence, default=None)


def _precedence(item: SubscriptionItem) -> tuple[bool, float, str]:
    end = item.period_end.timestamp() if item.period_end else _NEVER
    return not item.metered, end, item.price_id


def _cycle(subscription: Subscription, item: SubscriptionItem | None) -> Cycle | None:
    anchor = subscription.billing_cycle_anchor
    if item is None or anchor is None or item.interval not in set(Interval):
        return None
    return Cycle(anchor, Interval(item.interval), item.interval_count)
