"""An event on its way, from `deliver` to its last answer."""

from __future__ import annotations

from datetime import datetime

from meterdeck.core.model.delivery import Attempt
from meterdeck.core.model.events import MeterEvent


class Journey:
    """An event while `deliver` has it.

    Attributes:
        until: From then on it is not sent.
        deadline: When patience is over, by the monotonic clock.
        sending: When the request was sent that it waits for; None while there is none.
        epoch: That of the pace when it was sent.
    """

    __slots__ = (
        "attempts",
        "deadline",
        "epoch",
        "event",
        "sending",
        "until",
    )

    def __init__(self, event: MeterEvent, until: datetime, deadline: float) -> None:
        self.event = event
        self.until = until
        self.deadline = deadline
        self.attempts: list[Attempt] = []
        self.sending: datetime | None = None
        self.epoch = 0
