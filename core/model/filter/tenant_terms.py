"""What a clause can mean for tenants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from meterdeck.core.model.filter.spans import Span
from meterdeck.core.model.filter.words import plain


class TextField(StrEnum):
    """A tenant's texts; each is compared by a part of it, or whole."""

    ID = "id"
    NAME = "name"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"


class State(StrEnum):
    """How a tenant stands."""

    LIMIT = "limit"
    """Some resource at 100 percent or more."""
    OVER = "over"
    """Some resource above 100 percent."""
    NEAR = "near"
    """The worst resource above 70 and below 100 percent."""
    FINE = "fine"
    """With a limit, and no resource above 70 percent."""
    BROKEN = "broken"
    """Some counter that holds no number."""
    MOVING = "moving"
    """The worst resource was used in the last five seconds."""
    IDLE = "idle"
    """No counter at all in this period."""


class LimitKind(StrEnum):
    """Where a limit comes from, or that there is none."""

    OVERRIDE = "override"
    PLAN = "plan"
    DEFAULT = "default"
    UNLIMITED = "unlimited"
    """Nothing is ever refused, by a rule or for want of one."""
    NONE = "none"
    """No rule gives a limit."""


class Measure(StrEnum):
    """A number of a counter."""

    USED = "used"
    SHARE = "share"
    """Percent of the limit, rounded down as it is shown."""
    LEFT = "left"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class TextTerm:
    """A text contains, or is, one of `values`, which are plain."""

    field: TextField
    values: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class PlanTerm:
    """The plan is one of `values`; those that are not `whole` may be its beginning."""

    values: tuple[str, ...]
    whole: bool

    def among(self, plans: Iterable[str]) -> frozenset[str]:
        """Return which of some plans are meant."""
        return chosen_names(self.values, plans, whole=self.whole)


@dataclass(frozen=True, slots=True)
class StatusTerm:
    """The status is one of these."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class MeasureTerm:
    """A counter's number lies in a span; what has no such number does not."""

    resource: str
    measure: Measure
    span: Span


@dataclass(frozen=True, slots=True)
class WorstTerm:
    """The highest percent over all resources lies in a span."""

    span: Span


@dataclass(frozen=True, slots=True)
class WorstResourceTerm:
    """The resource nearest to its limit is this one."""

    resource: str


@dataclass(frozen=True, slots=True)
class LimitTerm:
    """A limit is of a kind; of any resource where none is named."""

    kind: LimitKind
    resource: str = ""


@dataclass(frozen=True, slots=True)
class EtaTerm:
    """Seconds until a limit is reached lie in a span; None: it will not be."""

    span: Span | None
    resource: str = ""


@dataclass(frozen=True, slots=True)
class ResetTerm:
    """Seconds until the next counter starts anew lie in a span."""

    span: Span


@dataclass(frozen=True, slots=True)
class StateTerm:
    """How the tenant stands."""

    state: State


Term: TypeAlias = (
    TextTerm
    | PlanTerm
    | StatusTerm
    | MeasureTerm
    | WorstTerm
    | WorstResourceTerm
    | LimitTerm
    | EtaTerm
    | ResetTerm
    | StateTerm
)


def chosen_names(
    values: Iterable[str], known: Iterable[str], *, whole: bool
) -> frozenset[str]:
    """Return the known names that values mean: a whole name alone, or by its start."""
    names = {plain(name): str(name) for name in known}
    found: set[str] = set()
    for value in values:
        if value in names or whole or not value:
            found.update([names[value]] if value in names else [])
        else:
            found.update(name for key, name in names.items() if key.startswith(value))
    return frozenset(found)
