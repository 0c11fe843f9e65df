"""What the counting model keeps: terms, answers, calls, overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Slot = tuple[str, str]
"""A counter: resource and period's label."""


@dataclass(frozen=True)
class Term:
    """A resource's current period."""

    resource: str
    label: str
    start: int
    end: int

    @property
    def slot(self) -> Slot:
        """Its counter."""
        return self.resource, self.label


@dataclass(frozen=True)
class Row:
    """What is answered for a resource of a call."""

    resource: str
    label: str
    current: int
    limit: str
    source: str
    verdict: str


@dataclass(frozen=True)
class Answer:
    """What is answered to a call."""

    allowed: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class SettledAnswer:
    """What is answered to a release or a confirmation: units back, value after."""

    rows: tuple[tuple[str, int, int], ...]


@dataclass
class Call:
    """What is kept of a call's id."""

    request: object
    answer: Answer
    terms: Sequence[Term]
    took: Mapping[str, int]
    gone: int
    reservation: bool
    settled: tuple[object, SettledAnswer] | None = None


@dataclass
class Beyond:
    """Use beyond a limit."""

    gone: int
    passed_at: int | None = None
    shadow_calls: int = 0
    shadow_units: int = 0


@dataclass
class Override:
    """An operator's limit; `gone` is its end in ms, None for never."""

    units: str
    gone: int | None
    until: str
    id: str
    actor: str
    reason: str
    created: int

    @property
    def words(self) -> str:
        """How the trail writes it."""
        return f"{self.units} until {self.until}" if self.until else self.units
