"""Tenants, resources, plans, limits and usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType, Self

from meterdeck.core.model.limit_rules import PLAIN, LimitRule
from meterdeck.core.model.packed import (
    PackedTexts,
    PackedTimes,
    moment_of,
    pack_texts,
    pack_times,
    texts_of,
)
from meterdeck.core.model.periods import Cycle, Interval, Period, PeriodKind

TenantId = NewType("TenantId", str)
ResourceName = NewType("ResourceName", str)
PlanName = NewType("PlanName", str)


@dataclass(frozen=True, slots=True)
class CounterId:
    """What a counter counts: tenant, resource and the period's label."""

    tenant: TenantId
    resource: ResourceName
    period: str


class OnFault(StrEnum):
    """What an application's call gets while Redis does not answer."""

    FAIL_CLOSED = "fail_closed"
    """Refused: a limit is never passed."""
    FAIL_OPEN = "fail_open"
    """Allowed; what it used is kept on local disk and counted later."""


class ResourceKind(StrEnum):
    """What a resource's number is."""

    COUNTER = "counter"
    """The sum of what was used in the period."""
    GAUGE = "gauge"
    """The level now, such as storage; it has no period and does not reset."""
    UNIQUE = "unique"
    """How many distinct members were seen in the period, estimated."""


class BilledBy(StrEnum):
    """What goes to Stripe of a resource that has a meter."""

    COUNTER = "counter"
    """What the counters hold, in one event a flush interval."""
    EVENTS = "events"
    """Each use that is given to `track()`, in an event of its own."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is counted; `meter` is the event name of Stripe's meter.

    A gauge has no period, whatever was given.

    Attributes:
        flush_s: At most one event of a counter goes to Stripe in so many seconds.
        negative_events: Whether units that were taken back after they were billed go
            to Stripe as a negative event; else they wait until more is used.
    """

    name: ResourceName
    label: str
    unit: str
    scale: int = 0
    meter: str = ""
    period: PeriodKind = PeriodKind.CALENDAR_MONTH
    on_fault: OnFault = OnFault.FAIL_CLOSED
    rule: LimitRule = PLAIN
    kind: ResourceKind = ResourceKind.COUNTER
    billed_by: BilledBy = BilledBy.COUNTER
    flush_s: int = 60
    negative_events: bool = True

    def __post_init__(self) -> None:
        if self.kind is ResourceKind.GAUGE:
            object.__setattr__(self, "period", PeriodKind.NONE)


class LimitSource(StrEnum):
    """Which rule gave a limit, strongest first."""

    OVERRIDE = "override"
    PLAN = "plan"
    DEFAULT = "default"
    ARGUMENT = "argument"
    """Given with the call, by the application."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limit:
    """Units allowed in a period, in the smallest unit; `units` None is unlimited."""

    units: int | None
    source: LimitSource

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever refused."""
        return self.units is None


NO_LIMIT = Limit(None, LimitSource.NONE)


@dataclass(frozen=True, slots=True)
class Plan:
    """A named set of limits: resource → units a period, None for unlimited.

    `rules` says how they are enforced, where it is not plain for every plan.
    """

    name: PlanName
    label: str
    limits: Mapping[ResourceName, int | None]
    rules: Mapping[ResourceName, LimitRule] = field(default_factory=dict)


class TenantStatus(StrEnum):
    """A tenant's subscription status: Stripe's words, and two of ours."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    CANCELED = "canceled"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    PAUSED = "paused"
    NO_SUBSCRIPTION = "no_subscription"
    """A customer in Stripe without a subscription."""
    UNKNOWN = "unknown"
    """Counted in Redis, not found in Stripe, or Stripe not read yet."""


_NO_PLAN = PlanName("")
_NO_LIMITS: Mapping[ResourceName, int | None] = {}
_NO_RULES: Mapping[ResourceName, LimitRule] = {}
_TERMS: dict[tuple[object, ...], Terms] = {}
_MOST_TERMS = 1_000


class Terms(NamedTuple):
    """What many tenants have in common; see `Tenant`."""

    plan: PlanName
    status: TenantStatus
    limits: Mapping[ResourceName, int | None]
    rules: Mapping[ResourceName, LimitRule]
    interval: Interval | None
    every: int


class Tenant:
    """One tenant as the directory knows it; not to be changed.

    Takes 300 bytes, and makes what is asked for: there may be a hundred thousand.

    Attributes:
        id: The name in the counters' keys.
        name: The customer's name, or the id where there is none.
        customer: Stripe's customer id, empty where unknown.
        subscription: Stripe's subscription id, empty where there is none.
        plan: Name of the plan, empty where none matches.
        limits: The plan's limits, already resolved: resource → units or None.
        cycle: The billing cycle, None without a subscription.
        rules: The plan's own rules, see `Plan`.
        period_end: End of the current period by Stripe, None where unknown.
    """

    __slots__ = ("_terms", "_texts", "_times", "id")

    def __init__(
        self,
        id: TenantId,
        name: str,
        customer: str = "",
        subscription: str = "",
        plan: PlanName = _NO_PLAN,
        *,
        status: TenantStatus = TenantStatus.UNKNOWN,
        limits: Mapping[ResourceName, int | None] = _NO_LIMITS,
        cycle: Cycle | None = None,
        period_start: datetime | None = None,
        period_end: datetime | None = None,
        rules: Mapping[ResourceName, LimitRule] = _NO_RULES,
    ) -> None:
        interval, count = (cycle.interval, cycle.count) if cycle else (None, 0)
        self.id = id
        self._texts = pack_texts(customer, subscription, name)
        self._terms = _shared(Terms(plan, status, limits, rules, interval, count))
        anchor = cycle.anchor if cycle else None
        self._times = pack_times(anchor, period_start, period_end)

    @classmethod
    def packed(
        cls, id: TenantId, texts: PackedTexts, terms: Terms, times: PackedTimes
    ) -> Self:
        """Return a tenant of what is packed already.

        Args:
            texts: Customer, subscription and name.
            times: Anchor of the cycle, start and end of the period.
        """
        tenant = cls.__new__(cls)
        tenant.id = id
        tenant._texts, tenant._terms, tenant._times = texts, terms, times
        return tenant

    @property
    def texts(self) -> tuple[str, str, str]:
        """Customer, subscription and name, for who wants all of them."""
        return texts_of(self._texts)

    @property
    def name(self) -> str:
        return self.texts[2]

    @property
    def customer(self) -> str:
        return self.texts[0]

    @property
    def subscription(self) -> str:
        return self.texts[1]

    @property
    def plan(self) -> PlanName:
        return self._terms.plan

    @property
    def status(self) -> TenantStatus:
        return self._terms.status

    @property
    def limits(self) -> Mapping[ResourceName, int | None]:
        return self._terms.limits

    @property
    def rules(self) -> Mapping[ResourceName, LimitRule]:
        return self._terms.rules

    @property
    def cycle(self) -> Cycle | None:
        interval, anchor = self._terms.interval, moment_of(self._times, 0)
        if interval is None or anchor is None:
            return None
        return Cycle(anchor, interval, self._terms.every)

    @property
    def period_start(self) -> datetime | None:
        return moment_of(self._times, 1)

    @property
    def period_end(self) -> datetime | None:
        return moment_of(self._times, 2)

    def plan_limit(self, resource: ResourceName) -> Limit:
        """Return the plan's limit for `resource`; no rule means no limit."""
        if resource in self.limits:
            return Limit(self.limits[resource], LimitSource.PLAN)
        return NO_LIMIT

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tenant):
            return NotImplemented
        return (
            self.id == other.id
            and self._texts == other._texts
            and self._times == other._times
            and self._terms == other._terms
        )

    __hash__ = None  # type: ignore[assignment]  # limits have no hash either

    def __repr__(self) -> str:
        return f"Tenant({self.id!r}, {self.name!r}, {self._terms!r})"


def _shared(terms: Terms) -> Terms:
    """Return what is kept for all tenants with these terms."""
    # Limits and rules by identity, which nothing else can have while they are kept.
    key = (*terms[:2], id(terms.limits), id(terms.rules), *terms[4:])
    if len(_TERMS) >= _MOST_TERMS:
        _TERMS.clear()
    return _TERMS.setdefault(key, terms)


@dataclass(frozen=True, slots=True)
class Broken:
    """What a counter's key holds instead of a whole number, in words."""

    holds: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One counter as it stands: what was used, of how much, until when.

    `reserved` of the used units are only reserved so far.
    """

    tenant: TenantId
    resource: ResourceName
    period: Period
    used: int | Broken
    limit: Limit
    reserved: int = 0

    @property
    def remaining(self) -> int | None:
        """Units left, never below 0; None where unlimited or unreadable."""
        if self.limit.units is None or isinstance(self.used, Broken):
            return None
        return max(0, self.limit.units - self.used)

    @property
    def percent(self) -> int | None:
        """Share of the limit in use, rounded down; None where there is no share."""
        if isinstance(self.used, Broken):
            return None
        return percent_of(self.used, self.limit.units)


def percent_of(used: int, limit: int | None) -> int | None:
    """Return used/limit in percent, rounded down; None where unlimited.

    A limit of 0 blocks: its share is 100 whatever was used.
    """
    if limit is None:
        return None
    if limit <= 0:
        return 100
    return max(0, used) * 100 // limit
