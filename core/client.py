"""The library that applications count with.

    async with MeterClient.open(context="production") as meter:
        answer = await meter.consume("acme", {"api_calls": 1})
        if not answer.allowed:
            ...

`consume` answers within a deadline whatever Redis does: with a `Decision` that Redis
made, or with a `Degraded` answer made without it, as the resource's setting `on_fault`
says. `SyncMeterClient` is the same for programs without an event loop. Everything here
is public; errors are those of `meterdeck.core.errors`.
"""

from __future__ import annotations

from meterdeck.core.model.decisions import (
    Decision,
    GaugeReading,
    RefusalRecord,
    ResourceDecision,
    Settled,
    SettledResource,
)
from meterdeck.core.model.degraded import (
    CircuitState,
    CircuitStatus,
    Counting,
    Deferred,
    Degraded,
    MeterStatus,
    Reason,
    SpoolStatus,
)
from meterdeck.core.model.usage import Usage
from meterdeck.core.services.held import Held
from meterdeck.core.services.meter_client import MeterClient
from meterdeck.core.services.sync_meter_client import SyncMeterClient

__all__ = [
    "CircuitState",
    "CircuitStatus",
    "Counting",
    "Decision",
    "Deferred",
    "Degraded",
    "GaugeReading",
    "Held",
    "MeterClient",
    "MeterStatus",
    "Reason",
    "RefusalRecord",
    "ResourceDecision",
    "Settled",
    "SettledResource",
    "SpoolStatus",
    "SyncMeterClient",
    "Usage",
]
