"""Which fleet a sandbox has: noted with its Stripe, for the next run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self

from meterdeck.core.sandbox.cast import Character, cast


@dataclass(frozen=True, slots=True)
class Fleet:
    """As many tenants, made of a seed: the same again from the same."""

    seed: int
    tenants: int

    @classmethod
    def of(cls, note: str) -> Self:
        """Return the fleet that was noted."""
        return cls(**json.loads(note))

    @property
    def note(self) -> str:
        """What to keep of it."""
        return json.dumps(asdict(self))

    def characters(self, now: datetime) -> list[Character]:
        """Return who it is made of.

        Raises:
            BadInput: An impossible number of tenants.
        """
        return list(cast(self.seed, self.tenants, now))
