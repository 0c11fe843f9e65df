"""What the sandbox is told about each meter event that arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ReceivedMeterEvent:
    """One meter event of a v1 or v2 request, accepted or refused.

    `message` is the refusal's text, empty when accepted; `value` is None where the
    payload had none.
    """

    at: datetime
    event_name: str
    identifier: str
    customer: str | None
    value: str | None
    timestamp: datetime
    accepted: bool
    message: str
    user_agent: str
    request_id: str
