"""What a tenant of a large fleet takes in the console's memory."""

import gc
import tracemalloc
from datetime import UTC, datetime

from tests.support.watching import watch_context

from meterdeck.core.model.fleet_update import Health, Reach, WatchUpdate
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.tenant_fields import FieldReader

COUNT = 4_000
_NOW = datetime(2026, 11, 26, tzinfo=UTC)


def entry(number: int) -> dict[bytes, bytes]:
    """An entry of which names, ids and moments are the tenant's own."""
    anchor = 1_690_000_000 + 977 * number
    fields = {
        "name": f"Acme Robotics {number:06}",
        "customer": f"cus_{number:014}",
        "subscription": f"sub_{number:014}",
        "plan": "pro",
        "status": "active",
        "anchor": str(anchor),
        "interval": "month",
        "interval_count": "1",
        "period_start": str(anchor + 86_400 * 700),
        "period_end": str(anchor + 86_400 * 730),
        "limit:api_calls": "1000",
    }
    return {name.encode(): value.encode() for name, value in fields.items()}


def test_a_tenant_and_its_two_counters_take_less_than_420_bytes() -> None:
    """Nothing is kept for a search nobody has begun, nor twice what many share."""
    health = Health(Reach.OK)
    fleet = Fleet(watch_context("redis://localhost"))
    gc.collect()
    tracemalloc.start()
    try:
        reader = FieldReader()
        tenants = tuple(
            reader.tenant(TenantId(f"tenant-{number:06}"), entry(number))
            for number in range(COUNT)
        )
        fleet.apply(WatchUpdate(_NOW, health, health, tenants=tenants))
        del reader, tenants
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 420 * COUNT
    assert len(fleet.search("sub_")) == COUNT
