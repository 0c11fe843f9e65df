"""The picture of a context that is well."""

from datetime import UTC, datetime

from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.health import (
    FleetHealth,
    Load,
    Memory,
    Persistence,
    RedisHealth,
    Sending,
    ServerHealth,
    StripeHealth,
    Waiting,
    WorkerHealth,
)

NOW = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
GB = 2**30
SERVER = ServerHealth(
    "",
    "Valkey",
    "8.0.1",
    memory=Memory(GB, GB, 4 * GB, policy="noeviction"),
    persistence=Persistence(append_only=True, fsync="everysec", snapshots=True),
    load=Load(slow=0, spike_ms=0),
)
WORKER = WorkerHealth("one", NOW, NOW, rate=25, most_rate=25, per_minute=60)
WELL = FleetHealth(
    NOW,
    RedisHealth(ping_ms=0.4, script_ms=0.5, servers=(SERVER,)),
    StripeHealth(Reach.OK, 40.0, reports_read_at=NOW),
    Sending((WORKER,)),
    Waiting(
        spool=SpoolSight(0, True, None, 0, 0, False),
        last_pass=LastPass(NOW, "one", 1.0, False, 3, 9, 0, 0),
    ),
)
