"""What the fault panel showed when somebody looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from meterdeck.core.model.fault_knobs import TROUBLES
from meterdeck.core.model.faults import Faults


@dataclass(frozen=True, slots=True)
class FaultSight:
    """What is set, and what it has done.

    Attributes:
        outage_left_s: Seconds until an outage ends; None for until it is cleared.
        since: When the faults were changed last, by the sandbox's machine.
        requests: That came to the local Stripe since it was started.
        injected: How often each setting struck since then, by its name.
        events: Meter events that were accepted, refused, dropped.
        now: The local Stripe's clock.
    """

    faults: Faults
    outage_left_s: float | None
    since: datetime
    requests: int
    injected: Mapping[str, int] = field(hash=False)
    events: Mapping[str, int] = field(hash=False)
    now: datetime

    @property
    def troubled(self) -> int:
        """Requests that were not answered as they should have been."""
        return sum(self.injected.get(name, 0) for name in TROUBLES)

    @property
    def outage(self) -> bool:
        """Whether there is one now."""
        return self.outage_left_s != 0.0
