"""What was decided about a call that wanted to use something."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, ResourceName


@dataclass(frozen=True, slots=True)
class ResourceDecision:
    """What was decided for one resource of a call.

    Attributes:
        current: The counter after the call; unchanged where the call was refused.
        remaining: Units left, never below 0; None where unlimited.
        refused: Whether this resource is why the call was refused.
    """

    resource: ResourceName
    current: int
    limit: Limit
    remaining: int | None
    period: Period
    refused: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may go on; `replayed` when its id was answered before.

    `call_id` is empty where the caller gave none.
    """

    allowed: bool
    resources: tuple[ResourceDecision, ...]
    call_id: str
    replayed: bool
