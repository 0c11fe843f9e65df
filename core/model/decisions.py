"""What was decided about a call that wanted to use something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName


class Refusal(StrEnum):
    """Why a resource refused a call."""

    OVER_LIMIT = "over_limit"
    """Too little is left in this period."""
    LARGER_THAN_LIMIT = "larger_than_limit"
    """It would not fit into an empty period either."""
    BLOCKED = "blocked"
    """The limit is 0."""


class Beyond(StrEnum):
    """Why a call was allowed that passes the limit."""

    OVER = "over"
    """The limit is soft, or there is grace; the bill follows."""
    SHADOW = "shadow"
    """A hard limit would have refused it; it is counted apart, too."""


# Named tuples: there are two of these a call, and frozen dataclasses take more than
# twice as long to make.
class ResourceDecision(NamedTuple):
    """What was decided for one resource of a call.

    Attributes:
        current: The counter after the call; unchanged where the call was refused.
        remaining: Units left, never below 0; None where unlimited.
        refused: Whether this resource is why the call was refused.
        reason: Why it refused; None where it did not.
        beyond: Why it did not refuse though the call passes the limit, else None.
    """

    resource: ResourceName
    current: int
    limit: Limit
    remaining: int | None
    period: Period
    refused: bool
    reason: Refusal | None = None
    beyond: Beyond | None = None


class Decision(NamedTuple):
    """Whether a call may go on; `replayed` when its id was answered before.

    `call_id` is empty where the caller gave none.
    """

    allowed: bool
    resources: tuple[ResourceDecision, ...]
    call_id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """What became of a gauge's reading.

    Attributes:
        before: The level before it.
        current: The level now: the reading and what is still reserved on top of it.
        remaining: Units left, never below 0; None where unlimited.
        over: Whether the level is beyond the limit.
        stale: Whether it was older than the newest reading, and was not recorded.
        measured_at: When the newest reading was taken, by the server's clock.
        call_id: Empty where the caller gave none.
        replayed: Whether its id was answered before.
    """

    resource: ResourceName
    before: int
    current: int
    limit: Limit
    remaining: int | None
    over: bool
    stale: bool
    measured_at: datetime
    call_id: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """One refusal as it was written down when it was made.

    Attributes:
        at: The server's clock.
        before: The counter when the call was refused.
        cost: What the call wanted.
        limit: What it was held against, and `source`, which rule gave it.
        call_id: Empty where the call had none.
    """

    at: datetime
    resource: ResourceName
    reason: Refusal
    before: int
    cost: int
    limit: int
    source: LimitSource
    period: Period
    call_id: str


@dataclass(frozen=True, slots=True)
class SettledResource:
    """What settling a call did to one resource.

    Attributes:
        given_back: Units taken off the counter.
        current: The counter after it.
        period: The one in which the call was counted.
    """

    resource: ResourceName
    given_back: int
    current: int
    period: Period


@dataclass(frozen=True, slots=True)
class Settled:
    """A call that was released, or a reservation that was confirmed."""

    call_id: str
    resources: tuple[SettledResource, ...]
    replayed: bool
