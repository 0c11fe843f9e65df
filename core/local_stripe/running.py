"""Run one operation: what came due first, then the request, then `expand[]`."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.local_stripe import alert_watch, credit_ledger
from meterdeck.core.local_stripe.catching_up import catch_up
from meterdeck.core.local_stripe.expansion import expand
from meterdeck.core.local_stripe.operations import Caller, Operation
from meterdeck.core.local_stripe.wire import Json, Raw
from meterdeck.core.local_stripe.world import World


def bring_up_to_date(world: World) -> None:
    """Let happen what came due since the last request."""
    now = world.now()
    catch_up(world)
    credit_ledger.catch_up(world, now)
    alert_watch.catch_up(world, now)
    world.reports.publish_due(now)


def run(
    world: World,
    operation: Operation,
    ids: tuple[str, ...],
    raw: Mapping[str, Raw],
    caller: Caller,
) -> Json:
    """Give the answer of an operation.

    Raises:
        LocalStripeRefusal: The answer is an error.
    """
    bring_up_to_date(world)
    answer = operation.run(world, ids, raw, caller)
    paths = raw.get("expand")
    if not paths:
        return answer
    listed = paths.values() if isinstance(paths, dict) else paths
    return expand(world, answer, [each for each in listed if isinstance(each, str)])
