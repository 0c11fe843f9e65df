"""What Stripe says later about events it had accepted: they were not counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ERROR_REPORT = "v1.billing.meter.error_report_triggered"
NO_METER_FOUND = "v1.billing.meter.no_meter_found"
LATE_ERRORS = (ERROR_REPORT, NO_METER_FOUND)
"""The types of Stripe's events that report them."""


@dataclass(frozen=True, slots=True)
class LateError:
    """One request of which an event was not counted.

    Attributes:
        idempotency_key: Of the request; a batch has one for all its events.
        message: Stripe's text.
    """

    idempotency_key: str
    message: str


@dataclass(frozen=True, slots=True)
class LateErrorKind:
    """Events that were not counted for one reason.

    Attributes:
        count: All of them; Stripe names only a few in `samples`.
    """

    code: str
    count: int
    samples: tuple[LateError, ...]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """One report: of a meter, or of events that no meter was found for.

    Attributes:
        meter_id: Empty where there is no meter.
        start: When the first of the events may have been received.
        end: When the last one may have been, exclusive.
    """

    id: str
    type: str
    created: datetime | None
    meter_id: str
    start: datetime | None
    end: datetime | None
    count: int
    kinds: tuple[LateErrorKind, ...]
