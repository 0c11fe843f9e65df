"""Claims and settlements as the scripts take them."""

from __future__ import annotations

from meterdeck.core.adapters.redis_client import Argument, to_milliseconds
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Answer, Attempt, Claim, Settlement, Wanted
from meterdeck.core.model.events import EventOutcome, EventSource
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.model.usage import CounterId

_DAY_MS = 86_400_000
_STRIPE_WINDOW_DAYS = 35  # a billing record outlives what Stripe can still be told
_LONGEST_TEXT = 500

OUTCOMES = {
    Answer.ACCEPTED: EventOutcome.ACCEPTED,
    Answer.DUPLICATE: EventOutcome.DUPLICATE,
    Answer.BUSY: EventOutcome.REFUSED,
    Answer.REFUSED: EventOutcome.REFUSED,
    Answer.STOPPED: EventOutcome.REFUSED,
    Answer.UNKNOWN: EventOutcome.UNKNOWN,
}
"""How the delivery log shows an attempt."""


class BillingArguments:
    """Keys and arguments of the scripts, for one context."""

    def __init__(self, context: Context) -> None:
        self._layout = context.redis.layout
        self._retention_days = context.redis.retention_days

    def counter_keys(self, counter: CounterId) -> list[bytes]:
        """Name a counter, its billing record and its reservations."""
        layout = self._layout
        names = (counter.tenant, counter.resource, counter.period)
        return [layout.counter(*names), layout.billing(*names), layout.reserved(*names)]

    def record(self, counter: CounterId) -> bytes:
        """Name a counter's billing record."""
        return self._layout.billing(counter.tenant, counter.resource, counter.period)

    def settlement_keys(self, counter: CounterId) -> list[bytes]:
        """Name a counter's billing record and its tenant's letters."""
        return [self.record(counter), self._layout.letters(counter.tenant)]

    def wanted(self, wanted: Wanted) -> list[Argument]:
        """Return what claim takes for one counter."""
        endless = wanted.period == ENDLESS
        start = 0 if endless else to_milliseconds(wanted.period.start)
        end = 0 if endless else to_milliseconds(wanted.period.end)
        kept = self._retention_days + _STRIPE_WINDOW_DAYS
        return [
            name_bytes(wanted.counter.tenant),
            wanted.counter.resource,
            wanted.counter.period,
            name_bytes(wanted.event_name),
            name_bytes(wanted.customer),
            wanted.scale,
            start,
            end,
            wanted.flush_s * 1000,
            1 if wanted.negative else 0,
            wanted.level,
            end + kept * _DAY_MS,
        ]

    def settlement(self, settlement: Settlement) -> list[Argument]:
        """Return what settle_delivery takes for one event."""
        claim, attempt = settlement.claim, settlement.attempt
        line = [] if attempt is None else log_line(claim, attempt)
        return [
            name_bytes(claim.counter.tenant),
            claim.counter.resource,
            claim.counter.period,
            claim.event.identifier,
            settlement.verdict.value,
            settlement.attempts,
            int(settlement.again_after_s * 1000),
            _text(attempt.message) if attempt else b"",
            _text(attempt.code) if attempt else b"",
            _text(attempt.request_id) if attempt else b"",
            len(line) // 2,
            *line,
        ]


def log_line(claim: Claim, attempt: Attempt) -> list[Argument]:
    """Return the fields of an attempt's line in the delivery log, as `DeliveryLog`."""
    event = claim.event
    return [
        *("source", EventSource.WORKER.value),
        *("outcome", OUTCOMES[attempt.answer].value),
        *("tenant", name_bytes(claim.counter.tenant)),
        *("resource", claim.counter.resource),
        *("event_name", name_bytes(event.event_name)),
        *("identifier", event.identifier),
        *("customer", name_bytes(event.customer)),
        *("value", event.value),
        *("timestamp", to_milliseconds(event.timestamp) // 1000),
        *("message", _text(attempt.message)),
        *("request_id", _text(attempt.request_id)),
        *("latency_ms", attempt.latency_ms),
    ]


def _text(text: str) -> bytes:
    # Stripe's own words; what cannot be stored is replaced.
    return text[:_LONGEST_TEXT].encode("utf-8", "replace")
