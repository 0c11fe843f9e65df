"""What an answer of Stripe's, or none, says about an event that was sent."""

from __future__ import annotations

import time
from datetime import datetime
from secrets import token_hex

from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.model.delivery import Answer, Attempt

_DUPLICATE_CODE = "duplicate_meter_event"


class Posting:
    """One request on its way: its key, when it was sent, and what came of it."""

    __slots__ = ("_started", "at", "key")

    def __init__(self, key: str, at: datetime) -> None:
        self.key = key
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
        """Return the attempt of an event whose request failed.

        Args:
            identifier: Of the event if it was alone in the request, else empty.
        """
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


def fresh_key(identifier: str) -> str:
    """Return an Idempotency-Key for one more request with an event.

    A fresh one each time: Stripe replays a stored 500 to a key it has seen.
    """
    return f"{identifier}.{token_hex(4)}"


def unsent(fault: Fault, at: datetime) -> Attempt:
    """Return the attempt of an event that was not sent: what comes first failed."""
    return Attempt(
        Answer.BUSY if fault.passing else Answer.STOPPED,
        at,
        message=fault.message,
        code=fault.code,
        status=fault.status,
        request_id=fault.request_id,
        retry_after_s=fault.retry_after_s,
    )


def answer_of(fault: Fault, identifier: str) -> Answer:
    """Return what a failed request says of the event it carried alone."""
    match fault.kind:
        case FaultKind.NOT_SENT | FaultKind.BUSY:
            return Answer.BUSY
        case FaultKind.LOST | FaultKind.BROKEN:
            return Answer.UNKNOWN
        case FaultKind.OTHER_MODE:
            return Answer.STOPPED
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
    if not identifier:
        return False  # several events: nobody knows which is meant
    if fault.code == _DUPLICATE_CODE:
        return True  # v2 has a code and names no identifier: it was asked about one
    # v1 gives this refusal no code, only these words.
    known = f"already exists with identifier {identifier}"
    return fault.message.rstrip(".").endswith(known)
