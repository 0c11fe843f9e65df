"""The hook that ends all waiting: what is seen later is seen now."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe.running import bring_up_to_date
from meterdeck.core.local_stripe.world import World


def settle(world: World) -> int:
    """Show usage in summaries and late errors now; return how many things it were.

    Alerts that this usage reaches fire, too. The account's clock stays.
    """
    now = world.now()
    settled = world.usage.settle() + world.reports.settle(now)
    for which, check in list(world.usage_to_check.items()):
        world.usage_to_check[which] = replace(check, due=now, last_due=now)
    bring_up_to_date(world)
    return settled
