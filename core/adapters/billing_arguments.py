"""Claims and settlements as the scripts take them."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.adapters.redis_client import Argument, to_milliseconds
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Answer, Settlement, Verdict, Wanted
from meterdeck.core.model.event_lines import line_fields, line_of
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import ENDLESS
from meterdeck.core.model.usage import CounterId

_DAY_MS = 86_400_000
_STRIPE_WINDOW_DAYS = 35  # a billing record outlives what Stripe can still be told
_LONGEST_TEXT = 500


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

    def settlement(
        self, settlement: Settlement, line: Sequence[bytes]
    ) -> list[Argument]:
        """Return what settle_delivery takes for one event and its line of the log."""
        claim, attempt = settlement.claim, settlement.attempt
        sent = [*settlement.earlier, *([attempt] if attempt else [])]
        unknown = any(each.answer is Answer.UNKNOWN for each in sent)
        return [
            name_bytes(claim.counter.tenant),
            claim.counter.resource,
            claim.counter.period,
            claim.event.identifier,
            settlement.verdict.value,
            settlement.attempts,
            int(settlement.again_after_s * 1000),
            1 if unknown or claim.maybe_sent else 0,
            stored(attempt.message[:_LONGEST_TEXT]) if attempt else b"",
            stored(attempt.code) if attempt else b"",
            stored(attempt.request_id) if attempt else b"",
            len(line) // 2,
            *line,
        ]


def line_parts(settlement: Settlement) -> list[bytes]:
    """Return the line of the delivery log that tells of a settlement, if any."""
    if settlement.attempt is None and settlement.verdict is Verdict.LATER:
        return []
    fields = line_fields(line_of(settlement))
    texts = [text for field in fields.items() for text in field]
    try:
        return [text.encode("utf-8", "surrogateescape") for text in texts]
    except UnicodeEncodeError:
        return [stored(text) for text in texts]


def stored(text: str) -> bytes:
    """Return text as it is stored; what cannot be, such as in Stripe's, is replaced."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
