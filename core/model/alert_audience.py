"""Whom an alert rule is for: by plan, by name, and by what a filter finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from meterdeck.core.model.alert_rules import AlertRule
from meterdeck.core.model.filter import RecordFilter, record_filter
from meterdeck.core.model.usage import PlanName, Tenant

_FIELDS: Mapping[str, Callable[[Tenant], str]] = {
    "id": lambda tenant: tenant.id,
    "name": lambda tenant: tenant.name,
    "plan": lambda tenant: tenant.plan,
    "status": lambda tenant: tenant.status.value,
    "customer": lambda tenant: tenant.customer,
    "subscription": lambda tenant: tenant.subscription,
}


def concerns(rule: AlertRule, tenant: Tenant, default_plan: PlanName) -> bool:
    """Tell whether a rule is for a tenant."""
    if rule.tenant not in (None, tenant.id):
        return False
    if rule.plan not in (None, tenant.plan or default_plan):
        return False
    return not rule.filter or tenant_filter(rule.filter)(tenant)


@lru_cache(maxsize=256)
def tenant_filter(text: str) -> RecordFilter[Tenant]:
    """Return what tells whether a tenant is wanted.

    Its fields are what a tenant is; what it uses is the rule's own threshold.

    Raises:
        BadInput: The expression cannot be read, or names a field there is not.
    """
    return record_filter(text, _FIELDS)
