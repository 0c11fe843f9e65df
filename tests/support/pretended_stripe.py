"""What Stripe does with meter events, as far as billing once depends on it."""

from dataclasses import dataclass, field
from datetime import timedelta

from meterdeck.core.model.delivery import IDENTIFIER_WINDOW, Answer, Claim
from meterdeck.core.model.events import MeterEvent


@dataclass
class Known:
    """An event that Stripe has seen, since when, and whether it is counted."""

    event: MeterEvent
    since: timedelta
    claim: Claim
    counted: int = 1
    owed: bool = False
    """Uncounted by Stripe, and not reported to us yet."""


@dataclass
class PretendedStripe:
    """Counts an identifier once within 24 hours, and then forgets it."""

    known: dict[str, Known] = field(default_factory=dict)
    payloads: dict[str, MeterEvent] = field(default_factory=dict)

    def take(self, claim: Claim, now: timedelta, fate: str) -> Answer:
        """Answer a request for an event."""
        event = claim.event
        assert self.payloads.setdefault(event.identifier, event) == event
        seen = self.known.get(event.identifier)
        if seen is not None and now - seen.since < IDENTIFIER_WINDOW:
            return Answer.UNKNOWN if fate.startswith("lost") else Answer.DUPLICATE
        if fate in ("accept", "lost_and_counted"):
            if seen is not None:
                seen.counted += 1  # a second time: it has forgotten the first
            else:
                self.known[event.identifier] = Known(event, now, claim)
        return {
            "accept": Answer.ACCEPTED,
            "refuse": Answer.REFUSED,
            "busy": Answer.BUSY,
        }.get(fate, Answer.UNKNOWN)

    @property
    def total(self) -> int:
        """Units on the bill."""
        return sum(each.counted * int(each.event.value) for each in self.known.values())
