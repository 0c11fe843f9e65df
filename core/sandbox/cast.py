"""Who is in the sandbox: every tenant, decided by the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Final

from meterdeck.core.errors import BadInput
from meterdeck.core.model.usage import PlanName, ResourceName, TenantStatus
from meterdeck.core.sandbox.catalogue import (
    ENTERPRISE,
    FREE,
    PLANS,
    PRO,
    RESOURCES,
    SCALE,
    STARTER,
)
from meterdeck.core.sandbox.names import Company, companies
from meterdeck.core.sandbox.roles import ROLES, Role

MOST_TENANTS: Final = 100_000
TRIAL: Final = timedelta(days=14)

_PLANS = (FREE, STARTER, PRO, SCALE, ENTERPRISE)
_PLAN_SHARES = (35, 30, 25, 8, 2)
# Calls of an ordinary tenant on the plan, relative to the others.
_BUSYNESS: Final = {FREE: 0.02, STARTER: 0.3, PRO: 3.0, SCALE: 10.0, ENTERPRISE: 20.0}
_LEAST_BUSYNESS = 0.02
_STATUSES = (
    TenantStatus.ACTIVE,
    TenantStatus.TRIALING,
    TenantStatus.PAST_DUE,
    TenantStatus.CANCELED,
    TenantStatus.NO_SUBSCRIPTION,
)
_STATUS_SHARES = (890, 50, 30, 20, 10)
_LEGACY_SHARE = 0.04
# Share of the crowd near a limit, and between which percents of it.
_NEAR = ((0.010, 100.0, 100.0), (0.025, 91.0, 99.5), (0.060, 71.0, 90.0))
_BUSIEST = 8.0
_OLDEST_ANCHOR_DAYS = 700
# An unlimited tenant has used this many times what the largest plan allows.
_UNLIMITED_TIMES = 2


@dataclass(frozen=True, slots=True)
class Character:
    """One tenant of the sandbox, before it exists anywhere.

    Attributes:
        plan: Empty without a subscription.
        anchor: Start of the billing cycle; for a trial the moment it ends.
        busyness: Calls relative to the other tenants; 0 is silent.
        share: Share of the whole fleet's calls, instead of `busyness`; 0 for most.
        legacy: Whether its application counts by plain INCR and checks nothing.
        progress: Resource → share of the limit a whole period will use.
        fixed: Resource → units used already, whatever day it is.
    """

    company: Company
    email: str
    plan: PlanName
    status: TenantStatus
    anchor: datetime
    busyness: float
    share: float
    legacy: bool
    progress: Mapping[ResourceName, float]
    fixed: Mapping[ResourceName, int]

    @property
    def limits(self) -> Mapping[ResourceName, int | None]:
        """Return the limits that hold: the free plan's without a subscription."""
        return PLANS[_effective(self.plan, self.status)].limits

    def used(self, resource: ResourceName, elapsed: float) -> int:
        """Return the units used when the share `elapsed` of the period is over."""
        if resource in self.fixed:
            return self.fixed[resource]
        limit = self.limits[resource]
        if limit is None:
            limit = (PLANS[SCALE].limits[resource] or 0) * _UNLIMITED_TIMES
        return int(limit * self.progress[resource] * elapsed)


def cast(seed: int, count: int, now: datetime) -> Iterator[Character]:
    """Yield `count` tenants: the odd and the instructive ones first, then the crowd.

    The same seed gives the same tenants on the same day (UTC); a longer cast begins
    with the shorter one.

    Raises:
        BadInput: `count` is negative or more than `MOST_TENANTS`.
    """
    if not 0 <= count <= MOST_TENANTS:
        raise BadInput(
            f"{count} tenants are not possible; choose 0 to {MOST_TENANTS:,}"
        )
    return _cast(seed, count, datetime.combine(now.astimezone(UTC), time(), UTC))


def _cast(seed: int, count: int, today: datetime) -> Iterator[Character]:
    names = companies(seed)
    for number, role in enumerate(islice(ROLES, count)):
        chance = random.Random(f"{seed}:role:{number}")
        company = role.company or next(names)
        yield _in_role(role, company, number, chance, today)
    chance = random.Random(f"{seed}:crowd")
    for number in range(len(ROLES), count):
        yield _of_the_crowd(next(names), number, chance, today)


def _in_role(
    role: Role, company: Company, number: int, chance: random.Random, today: datetime
) -> Character:
    plan = PlanName("") if role.status is TenantStatus.NO_SUBSCRIPTION else role.plan
    return Character(
        company=company,
        email=_email(company, number),
        plan=plan,
        status=role.status,
        anchor=_anchor(role.status, chance, today),
        busyness=_busyness(plan, role.status, chance, tail=1.0),
        share=role.share,
        legacy=role.legacy,
        progress=_progress(chance),
        fixed=role.fixed(),
    )


def _of_the_crowd(
    company: Company, number: int, chance: random.Random, today: datetime
) -> Character:
    plan = chance.choices(_PLANS, _PLAN_SHARES)[0]
    status = chance.choices(_STATUSES, _STATUS_SHARES)[0]
    if status is TenantStatus.NO_SUBSCRIPTION:
        plan = PlanName("")
    # Few tenants make most of the calls.
    tail = min(_BUSIEST, chance.paretovariate(1.2))
    return Character(
        company=company,
        email=_email(company, number),
        plan=plan,
        status=status,
        anchor=_anchor(status, chance, today),
        busyness=_busyness(plan, status, chance, tail),
        share=0.0,
        legacy=chance.random() < _LEGACY_SHARE,
        progress=_progress(chance),
        fixed=_near_limit(_effective(plan, status), chance),
    )


def _effective(plan: PlanName, status: TenantStatus) -> PlanName:
    """Return the plan whose limits hold: a canceled one's do no longer."""
    return FREE if status is TenantStatus.CANCELED or not plan else plan


def _email(company: Company, number: int) -> str:
    domain = company.id if company.id.isascii() else f"tenant-{number}"
    return f"billing@{domain[:60].rstrip('-')}.example"


def _anchor(status: TenantStatus, chance: random.Random, today: datetime) -> datetime:
    second = timedelta(seconds=chance.randrange(86_400))
    if status is TenantStatus.TRIALING:
        return today + timedelta(days=chance.randint(2, TRIAL.days - 1)) + second
    return today - timedelta(days=chance.randint(2, _OLDEST_ANCHOR_DAYS)) + second


def _busyness(
    plan: PlanName, status: TenantStatus, chance: random.Random, tail: float
) -> float:
    if status is TenantStatus.CANCELED:
        return 0.0
    return _BUSYNESS.get(plan, _LEAST_BUSYNESS) * tail * chance.uniform(0.6, 1.4)


def _progress(chance: random.Random) -> Mapping[ResourceName, float]:
    """Draw how far each resource gets by its period's end: never quite the limit."""
    whole = chance.betavariate(2.5, 1.6)
    return {each.name: whole * chance.uniform(0.2, 1.0) for each in RESOURCES}


def _near_limit(plan: PlanName, chance: random.Random) -> Mapping[ResourceName, int]:
    resource = chance.choice(RESOURCES).name
    draw, limit = chance.random(), PLANS[plan].limits[resource]
    for share, least, most in _NEAR if limit is not None else ():
        if draw < share:
            return {resource: round((limit or 0) * chance.uniform(least, most) / 100)}
        draw -= share
    return {}
