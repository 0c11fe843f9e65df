"""What goes wrong in a soak, and when: decided by a seed before it begins."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Wrong(StrEnum):
    """Kinds of faults."""

    WORKER_KILLED = "worker: SIGKILL"
    WORKER_HANGS = "worker: SIGSTOP for longer than its leases"
    APPLICATION_KILLED = "application: SIGKILL"
    REDIS_KILLED = "Redis: SIGKILL, started again on its file"
    SANDBOX_KILLED = "Stripe and Redis: SIGKILL, started again on their files"
    STRIPE = "Stripe: errors, lost answers, silence, outage"
    REDIS_HANGS = "Redis: SIGSTOP"
    REDIS_FULL = "Redis: no memory left, nothing evicted"
    CLIENTS_KILLED = "Redis: CLIENT KILL of all connections"
    SCRIPTS_GONE = "Redis: SCRIPT FLUSH"
    CUTS = "connections to Redis and Stripe cut"
    SLOW = "connections to Redis and Stripe slow"
    SILENCE = "Redis or Stripe answers one program nothing"
    DEAF = "Redis or Stripe hears nothing of one program"
    CLOCK = "Stripe's clock jumps ahead"
    DISK_FULL = "an application's spool full"
    NO_FILES = "a program may open no file and no connection"
    HANG_UP = "the console's terminal hangs up"
    RESIZED = "the console's terminal changes its size"


_WEIGHTS = {
    Wrong.WORKER_KILLED: 5,
    Wrong.WORKER_HANGS: 2,
    Wrong.APPLICATION_KILLED: 4,
    Wrong.REDIS_KILLED: 2,
    Wrong.SANDBOX_KILLED: 1,
    Wrong.REDIS_HANGS: 2,
    Wrong.REDIS_FULL: 2,
    Wrong.CLIENTS_KILLED: 2,
    Wrong.SCRIPTS_GONE: 1,
    Wrong.STRIPE: 7,
    Wrong.CUTS: 3,
    Wrong.SLOW: 2,
    Wrong.SILENCE: 3,
    Wrong.DEAF: 2,
    Wrong.CLOCK: 2,
    Wrong.DISK_FULL: 1,
    Wrong.NO_FILES: 2,
    Wrong.HANG_UP: 2,
    Wrong.RESIZED: 2,
}
TROUBLES: Mapping[str, Mapping[str, object]] = {
    "429": {"429": 0.4, "retry_after_s": 1},
    "lock_timeout": {"lock_timeout": 0.3},
    "500": {"500": 0.3},
    "500 after": {"500_after": 0.3},
    "lost": {"lost": 0.3},
    "half": {"half": 0.3},
    "cut": {"cut": 0.3},
    "silent": {"silent": 0.2, "silence_s": 4},
    "slow": {"latency_ms": 400, "jitter_ms": 600},
    "outage 503": {"outage_s": 4, "outage_kind": "503"},
    "outage, hanging": {"outage_s": 4, "outage_kind": "hang"},
    "409": {"409": 0.3},
}
_SHORTEST_S, _LONGEST_S = 2.0, 5.0
"""From the end of one fault to the next."""
MOST_AHEAD_S = 20 * 3600
"""All jumps of Stripe's clock together: it remembers identifiers for a day of it."""
_JUMPS = 40
_AT_REDIS = ("app-a", "app-b", "plain", "worker-1", "worker-2")
_WAYS = (*_AT_REDIS, "worker-1 to Stripe", "worker-2 to Stripe")


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them.

    Attributes:
        after_s: Pause before it.
        for_s: How long it lasts, where it has an end.
        which: Of several programs, of Stripe's troubles, or seconds of a jump.
        survivors: Whether those are spared whose memory is watched.
    """

    what: Wrong
    after_s: float
    for_s: float
    which: str


@dataclass(frozen=True)
class Plan:
    """The faults of a seed, in order, without end.

    Attributes:
        survivors: Programs that are left alone once `spared_from_s` is over, so that
            their memory can be watched; by kind of fault, the ones that are not.
    """

    seed: int
    victims: Mapping[Wrong, tuple[str, ...]] = field(
        default_factory=lambda: {
            Wrong.WORKER_KILLED: ("worker-1", "worker-2"),
            Wrong.WORKER_HANGS: ("worker-1", "worker-2"),
            Wrong.APPLICATION_KILLED: ("app-a", "app-b", "plain"),
            Wrong.SILENCE: _WAYS,
            Wrong.DEAF: _WAYS,
            Wrong.NO_FILES: _AT_REDIS,
            Wrong.DISK_FULL: ("app-b",),
            Wrong.RESIZED: ("80x24", "120x40", "40x10", "200x60"),
        }
    )

    def faults(self) -> Iterator[Fault]:
        """Return them; the same seed has the same."""
        chance = random.Random(f"faults {self.seed}")  # noqa: S311  # no secret
        # Each kind once, first of all: a short soak has seen everything, too.
        first = list(Wrong)
        chance.shuffle(first)
        while True:
            kinds, weights = list(_WEIGHTS), list(_WEIGHTS.values())
            what = first.pop() if first else chance.choices(kinds, weights)[0]
            after = chance.uniform(_SHORTEST_S, _LONGEST_S)
            lasts = chance.uniform(2.0, 4.5)
            yield Fault(what, after, lasts, self._which(what, chance))

    def _which(self, what: Wrong, chance: random.Random) -> str:
        match what:
            case Wrong.STRIPE:
                return chance.choice(list(TROUBLES))
            case Wrong.CLOCK:
                return str(chance.randint(30, MOST_AHEAD_S // _JUMPS))
            case _:
                return chance.choice(self.victims.get(what, ("",)))


def spared(fault: Fault) -> bool:
    """Tell whether a fault would end a program whose memory is watched to the end."""
    ended = {Wrong.WORKER_KILLED: "worker-1", Wrong.APPLICATION_KILLED: "app-a"}
    return fault.what is Wrong.HANG_UP or ended.get(fault.what) == fault.which
