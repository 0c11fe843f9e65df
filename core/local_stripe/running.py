"""Run one operation: what came due first, then the request, then `expand[]`."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.local_stripe.expansion import expand
from meterdeck.core.local_stripe.operations import Caller, Operation
from meterdeck.core.local_stripe.renewal import catch_up
from meterdeck.core.local_stripe.wire import Json, Raw
from meterdeck.core.local_stripe.world import World


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
    catch_up(world)
    answer = operation.run(world, ids, raw, caller)
    paths = raw.get("expand")
    if not paths:
        return answer
    listed = paths.values() if isinstance(paths, dict) else paths
    return expand(world, answer, [each for each in listed if isinstance(each, str)])
