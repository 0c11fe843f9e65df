"""How a sandbox is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterdeck.core.sandbox.roles import DEFAULT_RATE

DEFAULT_TENANTS: Final = 60
DEFAULT_SEED: Final = 1
FASTEST_RATE: Final = 5_000.0

__all__ = [
    "DEFAULT_RATE",
    "DEFAULT_SEED",
    "DEFAULT_TENANTS",
    "FASTEST_RATE",
    "SandboxOptions",
]


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What can be chosen about a sandbox; port 0 is any free one.

    Attributes:
        rate: Calls a second over the fleet, in the mean of a day.
        forward_to: Where every event is pushed to, as a snapshot.
        forward_thin_to: Where every event is pushed to, as a thin event.
        operators: Whether some changes of operators are there already.
        data_dir: Where counters, and what Stripe holds, are kept between two runs; None
            forgets them.
    """

    stripe_port: int = 0
    redis_port: int = 0
    tenants: int = DEFAULT_TENANTS
    rate: float = DEFAULT_RATE
    seed: int = DEFAULT_SEED
    traffic: bool = True
    worker: bool = True
    operators: bool = False
    data_dir: Path | None = None
    forward_to: str | None = None
    forward_thin_to: str | None = None

    @property
    def stripe_state(self) -> Path | None:
        """The file that Stripe's side is kept in; it need not exist."""
        return None if self.data_dir is None else self.data_dir / "stripe.sqlite3"
