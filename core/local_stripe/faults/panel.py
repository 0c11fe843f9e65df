"""The fault panel: what is set, what each request gets, and what was injected."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic as real_monotonic

from meterdeck.core.local_stripe.faults.limits import Bucket
from meterdeck.core.model.fault_knobs import SHARES, knob_of
from meterdeck.core.model.faults import OFF, Faults

EVENTS = ("/v1/billing/meter_events", "/v2/billing/meter_events")
_STREAM = ("/v2/billing/meter_event_session", "/v2/billing/meter_event_stream")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one request.

    Attributes:
        trouble: The field of `Faults` that strikes; empty for none.
        limited: `Stripe-Rate-Limited-Reason` of a limit that was really reached.
        outage: What the outage looks like; empty for none.
    """

    trouble: str = ""
    limited: str = ""
    outage: str = ""


FINE = Verdict()


class Panel:
    """Hold the faults of one local Stripe; they are gone when it ends.

    Attributes:
        calm: No request has to be judged; the way through costs nothing.
        at_once: None takes longer than it takes, either.
        requests: HTTP requests that came, the panel's own left out.
        injected: How often each setting struck, by its name.
        events: Meter events that were accepted, refused, dropped.
        since: When the faults were changed last, by this machine's clock.
        changed: Told that the faults were changed: whoever is held may go on.
    """

    def __init__(
        self,
        seed: int | None,
        *,
        summary_lag_s: float = 0.0,
        monotonic: Callable[[], float] = real_monotonic,
    ) -> None:
        self._monotonic = monotonic
        self.faults = Faults(seed=seed or OFF.seed, summary_lag_s=summary_lag_s)
        self.requests = 0
        self.injected: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.since = datetime.now(UTC)
        self.changed = asyncio.Event()
        self._outage_ends = 0.0
        self._bucket: Bucket | None = None
        self._events_bucket: Bucket | None = None
        self._roll()
        self._build()

    def change(self, changes: Mapping[str, object]) -> None:
        """Change some settings; an outage that is named begins now.

        Raises:
            BadInput: An unknown name or value; nothing was changed.
        """
        faults = self.faults.changed(changes)
        self.set(faults, outage=any(knob_of(n).name == "outage_s" for n in changes))

    def set(self, faults: Faults, *, outage: bool = True) -> None:
        """Put other faults in force; another seed starts the dice anew.

        Args:
            outage: The outage, if there is one, begins now.
        """
        before, self.faults = self.faults, faults
        self.since = datetime.now(UTC)
        if outage:
            self._outage_ends = self._monotonic() + (faults.outage_s or 0.0)
        if faults.seed != before.seed:
            self._roll()
        self._build()
        done, self.changed = self.changed, asyncio.Event()
        done.set()

    @property
    def outage_left_s(self) -> float | None:
        """Seconds until the outage ends: 0 for none, None for until cleared."""
        if self.faults.outage_s is None:
            return None
        if not self.faults.outage_s:
            return 0.0
        return max(self._outage_ends - self._monotonic(), 0.0)

    def look(self) -> None:
        """End an outage whose time is over."""
        if self.faults.outage_s and self._monotonic() >= self._outage_ends:
            self.set(self.faults.changed({"outage_s": 0}))

    def judge(self, method: str, path: str) -> Verdict:
        """Decide what becomes of a request; each asks once."""
        self.look()
        meter_event = method == "POST" and path in EVENTS
        holds = self._holds(method, path)
        if holds and self.faults.outage_s != 0.0:
            self.injected["outage_s"] += 1
            return Verdict(outage=self.faults.outage_kind)
        limited = self._limited(meter_event=meter_event)
        if limited:
            return limited
        return self._cast() if holds else FINE

    def delay_s(self, method: str, path: str) -> float:
        """Return how long a request is to take at least, in seconds."""
        faults = self.faults
        if not (faults.latency_ms or faults.jitter_ms):
            return 0.0
        if not self._holds(method, path):
            return 0.0
        self.injected["latency_ms"] += 1
        return (faults.latency_ms + faults.jitter_ms * self._jitter.random()) / 1000

    def drops(self) -> str:
        """Return under which code an accepted event is dropped; "": it counts."""
        share = self.faults.dropped
        if not share or self._late.random() >= share:
            return ""
        self.injected["dropped"] += 1
        return self.faults.drop_code

    def _holds(self, method: str, path: str) -> bool:
        match self.faults.paths:
            case "meter_events":
                return method == "POST" and path in EVENTS
            case "stream":
                return path in _STREAM
            case "reading":
                return method == "GET"
        return True

    def _cast(self) -> Verdict:
        """Let the dice say which trouble strikes: one throw for all of them."""
        if not self._shares:
            return FINE
        thrown = self._dice.random()
        for share, field, name in self._shares:
            thrown -= share
            if thrown < 0:
                self.injected[name] += 1
                return Verdict(trouble=field)
        return FINE

    def _limited(self, *, meter_event: bool) -> Verdict | None:
        faults, now = self.faults, self._monotonic()
        if meter_event and self._events_bucket is not None:
            if self._events_bucket.takes(now):
                return None
            self.injected["meter_events_per_s"] += 1
            return Verdict(limited="endpoint-rate")
        if self._bucket is None or self._bucket.takes(now):
            return None
        self.injected["limit_per_s"] += 1
        return Verdict(limited=faults.reason)

    def _roll(self) -> None:
        """Start the dice: one for each question, so that none disturbs another."""
        seed = self.faults.seed
        # A sandbox's troubles need no cryptography, and a seed must repeat them.
        self._dice = random.Random(f"{seed} trouble")  # noqa: S311
        self._jitter = random.Random(f"{seed} jitter")  # noqa: S311
        self._late = random.Random(f"{seed} late")  # noqa: S311

    def _build(self) -> None:
        faults = self.faults
        self._shares = [
            (faults.of(each), each.field, each.name)
            for each in SHARES
            if faults.of(each)
        ]
        now = self._monotonic()
        self._bucket = Bucket.of(faults.limit_per_s, now, self._bucket)
        self._events_bucket = Bucket.of(
            faults.meter_events_per_s, now, self._events_bucket
        )
        self.calm = not (
            self._shares
            or self._bucket
            or self._events_bucket
            or faults.outage_s != 0.0
        )
        slow = faults.latency_ms or faults.jitter_ms or faults.one_at_a_time != "off"
        self.at_once = not slow
