"""Time that requests take, and one meter event at a time of a customer and meter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from meterdeck.core.local_stripe.faults.panel import EVENTS
from meterdeck.core.local_stripe.faults.refusals import concurrent, lock_timeout
from meterdeck.core.local_stripe.wire import Raw
from meterdeck.core.local_stripe.world import World

HELD_S = 0.02
"""How long an event holds its customer and meter at least: else two never meet."""


class Lanes:
    """Hold requests as long as the panel says, after their key was claimed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def held(
        self, method: str, path: str, raw: Mapping[str, Raw]
    ) -> AsyncIterator[None]:
        """Wait for a request's time, its customer and meter its own meanwhile.

        Raises:
            LocalStripeRefusal: Another event holds them.
        """
        panel = self._world.panel
        wait_s, mode = panel.delay_s(method, path), panel.faults.one_at_a_time
        alone = mode != "off" and method == "POST" and path in EVENTS
        lane = lane_of(self._world, raw) if alone else None
        if lane is not None:
            if lane in self._busy:
                panel.injected["one_at_a_time"] += 1
                raise concurrent() if mode == "409" else lock_timeout()
            self._busy.add(lane)
            wait_s = max(wait_s, HELD_S)
        try:
            if wait_s:
                await asyncio.sleep(wait_s)
            yield
        finally:
            if lane is not None:
                self._busy.discard(lane)


def lane_of(world: World, raw: Mapping[str, Raw]) -> tuple[str, str] | None:
    """Return the meter and customer of an event; None where it names neither."""
    event_name, payload = raw.get("event_name"), raw.get("payload")
    if not isinstance(event_name, str) or not isinstance(payload, dict):
        return None
    meter = world.meters.find(world.meter_of_event.get(event_name, ""))
    customer = payload.get(meter.customer_key) if meter else None
    return (event_name, customer) if isinstance(customer, str) else None
