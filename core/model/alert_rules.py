"""Alert rules: what is held against which threshold, for whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from meterdeck.core.model.usage import PlanName, ResourceName, TenantId


class Severity(StrEnum):
    """How loud an alert is."""

    WARNING = "warning"
    CRITICAL = "critical"


class Measure(StrEnum):
    """What is held against a rule's thresholds."""

    PERCENT = "percent"
    """Use in percent of the limit."""
    UNITS = "units"
    """Use in the resource's smallest unit."""
    TIME_TO_LIMIT = "time_to_limit"
    """Seconds until the limit is reached at the pace of the last minutes."""
    LAG = "lag"
    """Seconds for which the oldest unsent usage has waited for Stripe."""
    DRIFT = "drift"
    """Units that differ from Stripe and need somebody, in the smallest unit."""
    DRIFT_PERCENT = "drift_percent"
    """The same in percent of what was used."""

    @property
    def of_usage(self) -> bool:
        """Whether it is read from a tenant's counter and limit."""
        return self in (Measure.PERCENT, Measure.UNITS, Measure.TIME_TO_LIMIT)

    @property
    def of_limit(self) -> bool:
        """Whether another limit makes it another question."""
        return self in (Measure.PERCENT, Measure.TIME_TO_LIMIT)

    @property
    def by_episode(self) -> bool:
        """Whether it fires again once it was resolved, in the same period."""
        return self in (Measure.LAG, Measure.DRIFT, Measure.DRIFT_PERCENT)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule of a configuration.

    Attributes:
        thresholds: In the measure's unit, the loudest last.
        resource: None for every resource.
        plan: None for every plan.
        tenant: None for every tenant.
        filter: In the filter language; empty for everybody.
    """

    name: str
    measure: Measure
    thresholds: tuple[int, ...]
    severity: Severity = Severity.WARNING
    resource: ResourceName | None = None
    plan: PlanName | None = None
    tenant: TenantId | None = None
    filter: str = ""

    def holds(self, threshold: int, value: int | None) -> bool:
        """Tell whether a value is at or beyond a threshold; None never is."""
        if value is None:
            return False
        if self.measure is Measure.TIME_TO_LIMIT:
            return value <= threshold
        return value >= threshold

    def is_clear(self, threshold: int, value: int | None) -> bool:
        """Tell whether a value is so far within a threshold that an alert is over.

        A margin keeps an alert from opening and closing with each reading: 5 % of a
        percentage or a quantity, half as long again of a time, half of a lag. A drift
        is compared exactly and has none.
        """
        if value is None:
            return True
        match self.measure:
            case Measure.PERCENT | Measure.UNITS:
                return value * 100 < threshold * 95
            case Measure.TIME_TO_LIMIT:
                return value * 2 > threshold * 3
            case Measure.LAG:
                return value * 2 < threshold
            case Measure.DRIFT | Measure.DRIFT_PERCENT:
                return value < threshold


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule finds of one tenant's resource in one period.

    Attributes:
        tenant: Empty for what is no tenant's, the lag.
        value: In the measure's unit; None where there is none: no limit, no pace.
        used: In the smallest unit; None where it is not read.
        limit: In the smallest unit; None for unlimited.
        period_end_ms: None where the period does not end.
        known: Whether the counter could be read; otherwise nothing follows from it.
    """

    rule: AlertRule
    tenant: TenantId
    tenant_name: str
    plan: str
    resource: str
    period: str
    period_end_ms: int | None
    value: int | None
    used: int | None = None
    limit: int | None = None
    known: bool = True
