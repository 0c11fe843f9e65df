"""What an answer of Stripe's, or none, says about an event that was sent."""

from __future__ import annotations

import time
from datetime import datetime
from secrets import token_hex

from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.errors import StripeRefused
from meterdeck.core.model.delivery import Answer, Attempt

_DUPLICATE_CODE = "duplicate_meter_event"


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

    def stopped(self, why: StripeRefused) -> Attempt:
        """Return the attempt of an event that another world's Stripe took."""
        return Attempt(
            Answer.STOPPED,
            self.at,
            message=str(why),
            idempotency_key=self.key,
            latency_ms=self._ms(),
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
            if _of_the_request(fault):
                return Answer.STOPPED
            if _duplicate(fault, identifier):
                return Answer.DUPLICATE
            return Answer.REFUSED


def _of_the_request(fault: Fault) -> bool:
    """Tell whether any event would be refused: a wrong key, right or address."""
    unknown_address = fault.status == 404 and fault.code != "resource_missing"
    return fault.status in {401, 403} or unknown_address


def _duplicate(fault: Fault, identifier: str) -> bool:
    if fault.code == _DUPLICATE_CODE:
        return True  # v2 has the code; it names no identifier, but was asked about one
    # v1 gives this refusal no code, only these words.
    known = f"already exists with identifier {identifier}"
    return fault.message.rstrip(".").endswith(known)
