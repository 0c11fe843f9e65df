"""What the account holds about pushing events: where to, and how each push went."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A URL that gets snapshot events."""

    id: str
    created: datetime
    url: str
    secret: str
    enabled_events: tuple[str, ...]
    api_version: str | None = None
    description: str | None = None
    disabled: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDestination:
    """A URL that gets thin events, or snapshots, as v2 names it."""

    id: str
    created: datetime
    updated: datetime
    name: str
    url: str
    secret: str
    enabled_events: tuple[str, ...]
    thin: bool
    snapshot_api_version: str | None = None
    description: str = ""
    disabled: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinTwin:
    """The thin event beside a snapshot event, or a ping, which has none."""

    id: str
    created: datetime
    type: str
    related_id: str
    related_type: str
    related_url: str
    snapshot_event: str | None
    request_id: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one URL.

    Attributes:
        target: The endpoint's or the destination's id.
        next_at: When it is tried next; None when it arrived or was given up.
    """

    id: str
    event: str
    target: str
    planned_at: datetime
    next_at: datetime | None
    attempts: int = 0
    delivered_at: datetime | None = None
