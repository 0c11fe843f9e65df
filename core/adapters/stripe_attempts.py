"""What an answer of Stripe's, or none, says about an event that was sent."""

from __future__ import annotations

import time
from datetime import datetime
from secrets import token_hex

from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.model.delivery import Answer, Attempt

_DUPLICATE_CODE = "duplicate_meter_event"
# Of the request, not of the event: a key that may not, an address that is not Stripe's.
_OF_THE_KEY = frozenset({401, 403})


class Posting:
    """One request on its way: its key, when it was sent, and what came of it."""

    __slots__ = ("_started", "at", "key")

    def __init__(self, prefix: str, at: datetime) -> None:
        # Fresh each time: Stripe replays a stored 500 to a key it has seen.
        self.key = f"{prefix}.{token_hex(4)}"
        self.at = at
        self._started = time.perf_counter()

    def accepted(self, request_id: str) -> Attempt:
        """Return the attempt of an event that was taken."""
        return Attempt(
            Answer.ACCEPTED,
            self.at,
            request_id=request_id,
            status=200,
            idempotency_key=self.key,
            latency_ms=self._ms(),
        )

    def failed(self, fault: Fault, identifier: str) -> Attempt:
        """Return the attempt of the event `identifier` whose request failed."""
        return Attempt(
            answer_of(fault, identifier),
            self.at,
            message=fault.message,
            code=fault.code,
            status=fault.status,
            request_id=fault.request_id,
            idempotency_key=self.key,
            latency_ms=self._ms(),
            retry_after_s=fault.retry_after_s,
        )

    def _ms(self) -> int:
        return round((time.perf_counter() - self._started) * 1000)


def answer_of(fault: Fault, identifier: str) -> Answer:
    """Return what a failed request says of the event it carried alone."""
    match fault.kind:
        case FaultKind.NOT_SENT | FaultKind.BUSY:
            return Answer.BUSY
        case FaultKind.LOST | FaultKind.BROKEN:
            return Answer.UNKNOWN
        case FaultKind.REFUSED:
            if fault.status in _OF_THE_KEY:
                return Answer.STOPPED
            if _duplicate(fault, identifier):
                return Answer.DUPLICATE
            return Answer.REFUSED


def _duplicate(fault: Fault, identifier: str) -> bool:
    if fault.code == _DUPLICATE_CODE:
        return True  # v2 has the code; it names no identifier, but was asked about one
    # v1 gives this refusal no code, only these words.
    known = f"already exists with identifier {identifier}"
    return fault.message.rstrip(".").endswith(known)
