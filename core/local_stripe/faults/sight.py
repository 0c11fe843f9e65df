"""What the panel shows: settings, counters, the account's clock."""

from __future__ import annotations

from meterdeck.core.local_stripe.wire import Json, rfc3339
from meterdeck.core.local_stripe.world import World


def sight_of(world: World) -> Json:
    """Return everything the panel has to say."""
    panel = world.panel
    panel.look()
    return {
        "faults": panel.faults.as_json(),
        "active": [each.name for each in panel.faults.active],
        "outage_left_s": panel.outage_left_s,
        "since": rfc3339(panel.since),
        "requests": panel.requests,
        "injected": dict(panel.injected),
        "events": {
            name: panel.events[name] for name in ("accepted", "refused", "dropped")
        },
        "now": rfc3339(world.now()),
    }
