"""Tenants that differ in something from others."""

from typing import Any

from meterdeck.core.model.usage import Tenant

_TOLD = (
    "id",
    "name",
    "customer",
    "subscription",
    "plan",
    "status",
    "limits",
    "cycle",
    "period_start",
    "period_end",
    "rules",
)


def but(tenant: Tenant, **changes: Any) -> Tenant:
    """Return what a tenant would be with other attributes."""
    return Tenant(**{name: getattr(tenant, name) for name in _TOLD} | changes)
