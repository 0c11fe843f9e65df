"""Which tenants Stripe is asked about, and how: some of many, or all of them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.model.wording import counted
from meterdeck.core.services.together import together

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Chosen:
    """Tenants to ask Stripe about.

    Attributes:
        of: How many there are to choose from.
        how: In which way they were chosen; empty where they are all.
    """

    tenants: Sequence[Tenant]
    of: int
    how: str = ""

    def __str__(self) -> str:
        """Say how many of how many are asked about, and which."""
        if not self.how:
            return f"all {counted(self.of, 'customer')} asked about in Stripe"
        return (
            f"{len(self.tenants):,} of {counted(self.of, 'customer')} asked about in"
            f" Stripe, {self.how} (all: --all)"
        )


def choose(
    tenants: Sequence[Tenant], most: int | None, first: Collection[TenantId] = ()
) -> Chosen:
    """Return all tenants, or `most` of them, others each time.

    Args:
        first: Tenants to take before others.
    """
    if most is None or len(tenants) <= most:
        return Chosen(tenants, len(tenants))
    wanted = frozenset(first)
    drawn = random.sample(tenants, len(tenants))
    drawn.sort(key=lambda each: each.id not in wanted)
    how = "drawn by lot" + (", those with usage first" if wanted else "")
    return Chosen(drawn[:most], len(tenants), how)


async def those_that(
    are: Callable[[Tenant], Awaitable[bool]], tenants: Sequence[Tenant]
) -> list[TenantId]:
    """Return which tenants are so, in their order.

    A few are asked about at once, so that others find Stripe's rate limit free; the
    first failure ends the others.
    """
    found: set[TenantId] = set()
    left = iter(tenants)

    async def ask() -> None:
        for tenant in left:
            if await are(tenant):
                found.add(tenant.id)

    async with together() as group:
        for _ in range(min(_AT_ONCE, len(tenants))):
            group.create_task(ask())
    return [each.id for each in tenants if each.id in found]
