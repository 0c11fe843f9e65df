"""The first tenants: every case a console has to show, on the first screen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterdeck.core.model.usage import (
    PlanName,
    ResourceName,
    TenantId,
    TenantStatus,
)
from meterdeck.core.sandbox.catalogue import (
    API_CALLS,
    ENTERPRISE,
    FREE,
    IMAGES,
    PLANS,
    PRO,
    SCALE,
    STARTER,
    STORAGE_GB,
)
from meterdeck.core.sandbox.names import Company

DEFAULT_RATE: Final = 40.0
"""Calls a second over the fleet; the minutes of a role are meant at this rate."""

LONG_NAME: Final = Company(
    TenantId("amalgamated-society-of-chart-drawers-and-sextant-makers-of-osten"),
    "Amalgamated Society of Chart Drawers and Sextant Makers of Osten",
)
JAPANESE: Final = Company(TenantId("東京測量"), "東京測量")
GERMAN: Final = Company(TenantId("uenicode-soehne"), "Ünïcode & Söhne")
CYRILLIC: Final = Company(TenantId("кириллица"), "Кириллица и партнёры")
GREEK: Final = Company(TenantId("elaionas"), "Ελαιώνας Δεδομένων")


@dataclass(frozen=True, slots=True)
class Role:
    """One case to be shown.

    Attributes:
        resource: The one that is near its limit, None where none is.
        percent: How much of the limit of `resource` is used, in percent.
        minutes: Instead of `percent`: minutes of traffic left to the limit.
        second: Another resource, used to `second_percent`: the first rows of a small
            screen show every colour.
        share: Share of all calls; 0 leaves it to the plan.
        legacy: Counts by plain INCR and so can be over the limit.
    """

    plan: PlanName = FREE
    status: TenantStatus = TenantStatus.ACTIVE
    resource: ResourceName | None = None
    percent: float = 0.0
    minutes: float = 0.0
    second: ResourceName | None = None
    second_percent: float = 0.0
    share: float = 0.0
    legacy: bool = False
    company: Company | None = None

    def fixed(self) -> Mapping[ResourceName, int]:
        """Return the units used already of the resources this role is about."""
        limits = PLANS[self.plan].limits
        left = round(self.minutes * 60 * DEFAULT_RATE * self.share)
        used: dict[ResourceName, int] = {}
        if self.resource and (limit := limits[self.resource]) is not None:
            share_used = round(limit * self.percent / 100)
            used[self.resource] = max(0, limit - left) if left else share_used
        if self.second and (limit := limits[self.second]) is not None:
            used[self.second] = round(limit * self.second_percent / 100)
        return used


_PAST_DUE = TenantStatus.PAST_DUE

ROLES: Final = (
    Role(
        PRO,
        resource=API_CALLS,
        minutes=1.5,
        second=STORAGE_GB,
        second_percent=76.5,
        share=0.05,
        company=JAPANESE,
    ),
    Role(ENTERPRISE),
    Role(
        STARTER,
        _PAST_DUE,
        API_CALLS,
        percent=104.2,
        second=STORAGE_GB,
        second_percent=82.3,
        legacy=True,
    ),
    Role(PRO, resource=STORAGE_GB, percent=78.4, company=LONG_NAME),
    Role(FREE, resource=API_CALLS, percent=100, company=CYRILLIC),
    Role(status=TenantStatus.NO_SUBSCRIPTION),
    Role(STARTER, resource=API_CALLS, percent=93.6, company=GERMAN),
    Role(PRO, TenantStatus.TRIALING, API_CALLS, percent=71.8),
    Role(FREE, resource=API_CALLS, minutes=2.5, share=0.03),
    Role(STARTER, TenantStatus.CANCELED),
    Role(STARTER, resource=API_CALLS, minutes=4, share=0.03),
    Role(FREE, resource=API_CALLS, percent=117.3, legacy=True),
    Role(SCALE, resource=API_CALLS, percent=84.1),
    Role(STARTER, resource=IMAGES, percent=100, second=API_CALLS, second_percent=73.1),
    Role(SCALE, resource=STORAGE_GB, percent=91.5),
    Role(PRO, _PAST_DUE),
    Role(PRO, resource=IMAGES, percent=96.3),
    Role(STARTER, resource=API_CALLS, percent=75.9, company=GREEK),
    Role(PRO, resource=API_CALLS, minutes=9, share=0.04),
    Role(FREE, resource=STORAGE_GB, percent=100),
    Role(PRO, resource=STORAGE_GB, percent=88.2),
)
