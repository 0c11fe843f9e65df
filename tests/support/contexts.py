"""Contexts for tests that need Redis and nothing of Stripe."""

from dataclasses import replace

from meterdeck.core.model.context import Context, Mode, RedisOptions
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import (
    BilledBy,
    Plan,
    PlanName,
    Resource,
    ResourceKind,
    ResourceName,
)

CALLS = ResourceName("api_calls")
IMAGES = ResourceName("images")
STORAGE = ResourceName("storage_gb")
SEATS = ResourceName("seats")
"""Counted by billing cycle."""
DISK = ResourceName("disk_gb")
"""A gauge, where there is one."""
USERS = ResourceName("active_users")
"""Distinct members, where there are any."""
RENDERS = ResourceName("renders")
"""Billed by events, in hundredths, where there are any."""
FREE = PlanName("free")


def redis_context(url: str) -> Context:
    """Return a context on the server at `url`; plan free allows 1,000 calls."""
    return Context(
        name="test",
        mode=Mode.SANDBOX,
        read_only=False,
        redis=RedisOptions(url=url, timeout_s=10.0),
        stripe=None,
        resources=(
            Resource(CALLS, "API calls", "call", meter="api_requests"),
            Resource(IMAGES, "Images", "image"),
            Resource(STORAGE, "Storage", "GB", scale=3),
            Resource(SEATS, "Seats", "seat", period=PeriodKind.BILLING_CYCLE),
        ),
        plans={FREE: Plan(FREE, "Free", {CALLS: 1000, IMAGES: 10, STORAGE: None})},
        default_plan=FREE,
        override_needs_expiry=False,
        arm_minutes=0,
    )


def with_layout(context: Context, layout: KeyLayout) -> Context:
    """Return `context` with its keys named by `layout`."""
    return replace(context, redis=replace(context.redis, layout=layout))


def with_rule(
    context: Context, name: ResourceName, rule: LimitRule, limit: int
) -> Context:
    """Return `context` with that default limit of a resource, so enforced."""
    resources = tuple(
        replace(each, rule=rule) if each.name == name else each
        for each in context.resources
    )
    free = context.plans[FREE]
    limited = replace(
        free, limits={**free.limits, name: limit}, rules={**free.rules, name: rule}
    )
    return replace(context, resources=resources, plans={FREE: limited})


def with_kinds(context: Context) -> Context:
    """Return `context` with a gauge, DISK, and a resource of members, USERS."""
    kinds = (
        Resource(DISK, "Disk", "GB", scale=3, kind=ResourceKind.GAUGE),
        Resource(USERS, "Active users", "user", kind=ResourceKind.UNIQUE),
    )
    return replace(context, resources=(*context.resources, *kinds))


def with_events(context: Context) -> Context:
    """Return `context` with a resource that is billed by events of its own."""
    renders = Resource(
        RENDERS,
        "Renders",
        "frame",
        scale=2,
        meter="renders",
        billed_by=BilledBy.EVENTS,
    )
    return replace(context, resources=(*context.resources, renders))
