"""What the SDK raises, sorted by what it means for whoever sent the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterdeck.core.errors import (
    MeterdeckError,
    NotFound,
    StripeRefused,
    StripeUnreachable,
)
from meterdeck.core.model.secret import without_secrets
from meterdeck.core.model.text import visible

# Not an answer to the question: the same request may be answered a moment later.
_NOT_NOW = frozenset({409, 425, 429})


class FaultKind(StrEnum):
    """What a failed request leaves behind."""

    NOT_SENT = "not_sent"
    """No connection: Stripe has not seen it."""
    LOST = "lost"
    """Sent, and no answer of Stripe's came back."""
    BROKEN = "broken"
    """Stripe answered 5xx: done or not done."""
    BUSY = "busy"
    """Stripe put it off (429, a lock): not done."""
    REFUSED = "refused"
    """Stripe understood and said no: not done."""
    OTHER_MODE = "other_mode"
    """It was answered for another mode than was asked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request has no result.

    Attributes:
        message: One sentence; Stripe's own words where it refused.
        retry_after_s: Seconds Stripe asks to wait, None where it does not say.
        date: The answer's Date header, empty where there is none.
    """

    kind: FaultKind
    message: str
    status: int = 0
    code: str = ""
    request_id: str = ""
    retry_after_s: float | None = None
    date: str = ""

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed when it is repeated."""
        return self.kind not in {FaultKind.REFUSED, FaultKind.OTHER_MODE}

    def as_error(self) -> MeterdeckError:
        """Return the error a caller of a read gets."""
        if self.passing:
            return StripeUnreachable(self.message)
        if self.code == "resource_missing":
            return NotFound(self.message)
        return StripeRefused(
            self.message,
            status=self.status,
            code=self.code,
            request_id=self.request_id,
        )


def fault_of(error: Exception, api_base: str) -> Fault:
    """Sort what the SDK or its transport raised while `api_base` was asked."""
    status = getattr(error, "http_status", None)
    if not isinstance(status, int):
        return _connection_fault(error, api_base)
    headers = getattr(error, "headers", None)
    body = getattr(error, "json_body", None)
    found = headers if isinstance(headers, Mapping) else {}
    return fault_answered(status, found, body, api_base)


def fault_answered(
    status: int, headers: Mapping[str, str], body: object, api_base: str
) -> Fault:
    """Sort an answer that is no success, or that cannot be read: `body` is None."""
    envelope = _envelope(body)
    code = _text(envelope.get("code"))
    text = _text(envelope.get("message"))
    kind = _kind(status, answered=bool(envelope))
    return Fault(
        kind,
        _sentence(kind, status, text, api_base),
        status,
        code,
        _text(headers.get("request-id")),
        _seconds(_text(headers.get("retry-after"))),
        _text(headers.get("date")),
    )


def _kind(status: int, *, answered: bool) -> FaultKind:
    if status in _NOT_NOW:
        return FaultKind.BUSY
    if status >= 500:
        return FaultKind.BROKEN
    if status < 400 or status == 408 or not answered:
        return FaultKind.LOST  # a portal's page or a proxy's word is no answer
    return FaultKind.REFUSED


def _sentence(kind: FaultKind, status: int, text: str, api_base: str) -> str:
    shown = visible(without_secrets(text), 500)  # a proxy may quote the key
    match kind:
        case FaultKind.BUSY:
            return f"Stripe asks to slow down ({status}): {shown or 'no reason given'}"
        case FaultKind.BROKEN:
            return f"Stripe has a fault ({status}): {shown or 'no reason given'}"
        case FaultKind.REFUSED:
            return shown or f"Stripe refused the request ({status})"
        case _:
            return f"{api_base} answered something that is not Stripe's ({status})"


def _connection_fault(error: Exception, api_base: str) -> Fault:
    cause = error.__cause__ or error
    # By name: importing the libraries that define them is left to the first call.
    names = {kind.__name__ for kind in (*type(error).__mro__, *type(cause).__mro__)}
    # ClientConnectorError and its kin are raised before a byte of the request.
    if names & {"ClientConnectorError", "ConnectionTimeoutError", "InvalidURL"}:
        reason = getattr(cause, "strerror", None) or "no connection"
        return Fault(FaultKind.NOT_SENT, f"{api_base} cannot be reached: {reason}")
    if "TimeoutError" in names:
        return Fault(FaultKind.LOST, f"{api_base} did not answer in time")
    if names & {"ClientError", "OSError"}:
        return Fault(FaultKind.LOST, f"{api_base} closed the connection unanswered")
    return Fault(FaultKind.LOST, f"{api_base} answered something that is not Stripe's")


def _envelope(body: object) -> Mapping[str, object]:
    inner = body.get("error") if isinstance(body, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() else None
