"""What is done to workers and by Stripe, and when: decided by a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """Where in an event's life a worker is killed."""

    BEFORE_CLAIM = "before claim"
    """The claim is on its way to Redis, and never arrives."""
    AFTER_CLAIM = "after claim"
    """Redis has done it; the answer arrives nowhere."""
    BEFORE_SEND = "before send"
    """The request is on its way to Stripe, and never arrives."""
    AFTER_SEND = "after send"
    """Stripe has counted it; the answer arrives nowhere."""
    BEFORE_SETTLE = "before settle"
    AFTER_SETTLE = "after settle"


class Trouble(StrEnum):
    """How Stripe answers instead of as it should."""

    TOO_MANY = "429"
    """With Retry-After."""
    LOCKED = "429 lock_timeout"
    BROKEN = "500"
    """And nothing was counted."""
    BROKEN_AFTER = "500 after it accepted"
    SILENT_AFTER = "silent after it accepted"
    CUT = "cut in the middle of the answer"
    CUT_BEFORE = "cut before it was read"


@dataclass
class Doom:
    """Decides; the same seed, asked the same, decides the same.

    Attributes:
        kills: How many workers are still to be killed at each step.
        chance: That one is killed, each time it comes to a step.
        trouble: Share of the requests that Stripe does not answer as it should.
        killed: How many were killed, by where.
        troubled: How many requests were, by how.
    """

    seed: int
    kills: dict[Step, int] = field(default_factory=dict)
    chance: float = 0.2
    trouble: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)
    troubled: Counter[str] = field(default_factory=Counter)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311  # guesses no secret

    @property
    def over(self) -> bool:
        """Whether all that were to be killed are."""
        return not any(self.kills.values())

    def strikes(self, step: Step) -> bool:
        """Decide whether a worker that comes to this step is killed."""
        if not self.kills.get(step) or self.random.random() >= self.chance:
            return False
        self.kills[step] -= 1
        self.killed[step] += 1
        return True

    def troubles(self) -> Trouble | None:
        """Decide how Stripe answers a request; None for as it should."""
        if self.random.random() >= self.trouble:
            return None
        chosen = self.random.choice(list(Trouble))
        self.troubled[chosen] += 1
        return chosen

    def relent(self) -> None:
        """Do nothing more to anybody."""
        self.kills.clear()
        self.trouble = 0.0
