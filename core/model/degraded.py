"""What an application is told, and what is kept, while Redis does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from meterdeck.core.model.usage import ResourceName, TenantId


class Reason(StrEnum):
    """Why a call was answered without Redis."""

    REDIS_UNREACHABLE = "redis_unreachable"
    """It does not answer, or did not a moment ago and is left alone."""
    REDIS_REFUSED = "redis_refused"
    """It answers, but takes no writes: loading, a replica, out of memory, no rights."""
    ANSWER_LOST = "answer_lost"
    """The call was sent and no answer came in time."""
    SPOOL_FULL = "spool_full"
    """The call would have been allowed; local disk holds all that it may."""
    SPOOL_FAILED = "spool_failed"
    """The call would have been allowed; local disk could not be written."""


class Counting(StrEnum):
    """What becomes of a call's usage."""

    NOT_COUNTED = "not_counted"
    SPOOLED = "spooled"
    """It is on local disk and will be counted once."""
    UNKNOWN = "unknown"
    """Counted or not, nobody knows."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """An answer given without Redis.

    Attributes:
        allowed: Whether the call may go on: the resources' `on_fault`, not a limit.
        call_id: The id that makes a repeat safe; empty where the caller gave none and
            nothing is kept.
        detail: The reason as a sentence.
    """

    allowed: bool
    reason: Reason
    counting: Counting
    call_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A release or a confirmation that Redis could not be told yet.

    It is on local disk, behind the call that it is about, and is done once.
    """

    call_id: str
    detail: str


class SpooledKind(StrEnum):
    """What Redis has to be told."""

    USE = "use"
    RESERVE = "reserve"
    """Use that is still to be confirmed or released; it does not end by itself."""
    CONFIRM = "confirm"
    RELEASE = "release"
    READING = "reading"
    """A gauge's level, read at that time."""
    MEMBERS = "members"
    """Distinct members that were seen at that time."""
    TRACK = "track"
    """Use that is billed by an event of its own."""


@dataclass(frozen=True, slots=True)
class SpooledCall:
    """Usage that was allowed and that Redis has to be told, or how a call ended.

    Attributes:
        amounts: Resource and units. Empty in a confirmation or a release of all; of
            a reading the level, of members how many there are.
        at: When it was used; to the millisecond.
        server_time: Whether `at` is by the Redis server's clock, else by this host's.
        sent: Whether Redis may have counted it already.
        dimensions: Of an event, in the order of their names.
        timestamp: When it was used, where the caller said so.
    """

    call_id: str
    tenant: TenantId
    amounts: tuple[tuple[ResourceName, int], ...]
    at: datetime
    server_time: bool
    sent: bool
    kind: SpooledKind = SpooledKind.USE
    members: tuple[bytes, ...] = ()
    dimensions: tuple[tuple[str, str], ...] = ()
    timestamp: datetime | None = None

    @property
    def settles(self) -> bool:
        """Whether it says how a call ended; else it is one."""
        return self.kind in (SpooledKind.CONFIRM, SpooledKind.RELEASE)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Usage that was not counted and is left to an operator; `why` is a sentence."""

    call: SpooledCall
    why: str


class CircuitState(StrEnum):
    """Whether Redis is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is left alone; calls are answered without it."""
    HALF_OPEN = "half_open"
    """It is being looked at; calls are still answered without it."""


@dataclass(frozen=True, slots=True)
class CircuitStatus:
    """A circuit breaker as it stands.

    Attributes:
        failures: Calls in a row that got no answer.
        opened: How often it has opened so far.
        retry_in_s: Seconds until Redis is looked at again; None while it is asked.
    """

    state: CircuitState
    failures: int
    opened: int
    retry_in_s: float | None


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """What one process holds on disk, and what became of it since the process began.

    Attributes:
        calls: Calls that wait to be counted or settled, those of dead processes
            included.
        bytes: Size of the files, those for an operator included; at most
            `most_bytes`, but for what dead processes left.
        oldest_at: When the oldest waiting call was made; None where none waits.
        refused_full: Calls refused because the spool was full.
        refused_failed: Calls refused because it could not be written.
        replayed: Calls that were counted or settled out of it.
        unsettled: Calls that were put aside for an operator.
        damaged_bytes: Bytes that could not be read back: a torn end, a bad disk.
        trouble: Why counting stopped, in words; empty where it did not.
    """

    directory: Path
    calls: int
    bytes: int
    most_bytes: int
    oldest_at: datetime | None
    refused_full: int
    refused_failed: int
    replayed: int
    unsettled: int
    damaged_bytes: int
    trouble: str


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """A client as it stands.

    Attributes:
        refused: Calls refused, for whatever reason but a limit, since it was opened.
        spool: None where no resource fails open.
    """

    circuit: CircuitStatus
    refused: int
    spool: SpoolStatus | None


@dataclass(frozen=True, slots=True)
class FoundSpool:
    """One process's spool as another finds it on disk.

    Attributes:
        pid: Of the process that made it.
        live: Whether a process has it now: that one, or one that took it over.
    """

    name: str
    pid: int
    live: bool
    calls: int
    bytes: int
    oldest_at: datetime | None
    damaged_bytes: int


@dataclass(frozen=True, slots=True)
class SpoolSight:
    """What a glance sees of all spools of a context on this machine.

    Attributes:
        calls: Calls that wait; reckoned from their size where there are very many.
        exact: Whether they were counted one by one.
        oldest_at: When the oldest that waits was made; None where none waits.
        percent: Share of its room that the fullest process uses.
        ended: Processes that ended and left calls.
        put_aside: Whether there are calls that an operator has to settle.
    """

    calls: int
    exact: bool
    oldest_at: datetime | None
    percent: int
    ended: int
    put_aside: bool
