"""How many a second: limits that are really enforced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(slots=True)
class Bucket:
    """A token bucket: full at first, it holds what one second allows."""

    per_s: float
    room: float
    left: float
    at: float

    @classmethod
    def of(cls, per_s: float, now: float, before: Self | None) -> Self | None:
        """Return the bucket of a limit, as it was or full; None for no limit."""
        if before is not None and before.per_s == per_s:
            return before
        room = max(per_s, 1.0)
        return cls(per_s, room, room, now) if per_s else None

    def takes(self, now: float) -> bool:
        """Take a token, if there is one."""
        self.left = min(self.room, self.left + (now - self.at) * self.per_s)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
