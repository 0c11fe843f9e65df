"""The fleet as a sheet: a line a tenant, three columns a resource."""

from __future__ import annotations

from collections.abc import Iterable

from meterdeck.core.model.quantity import format_quantity
from meterdeck.core.model.usage import Broken
from meterdeck.core.services.fleet import Fleet
from meterdeck.tui.taking.sheets import Sheet, Value

_ABOUT = ("tenant", "name", "plan", "status", "customer", "subscription")


def tenants_sheet(fleet: Fleet, rows: Iterable[int]) -> Sheet:
    """Return rows of the fleet in their order; quantities in the resource's unit."""
    columns = list(_ABOUT)
    for resource in fleet.resources:
        columns += [f"{resource.name}", f"{resource.name}_limit"]
        columns += [f"{resource.name}_resets_at"]
    return Sheet("tenants", columns, [_row(fleet, row) for row in rows])


def _row(fleet: Fleet, row: int) -> list[Value]:
    tenant = fleet.tenant(row)
    values: list[Value] = [tenant.id, tenant.name, tenant.plan, tenant.status.value]
    values += [tenant.customer, tenant.subscription]
    for column, resource in enumerate(fleet.resources):
        used, limit = fleet.used(row, column), fleet.limit(row, column).units
        resets_at = fleet.resets_at(row, column)
        holds = used.holds if isinstance(used, Broken) else _units(used, resource.scale)
        values += [holds, _units(limit, resource.scale)]
        values += [f"{resets_at:%Y-%m-%dT%H:%M:%SZ}" if resets_at else None]
    return values


def _units(units: int | None, scale: int) -> Value:
    if units is None or not scale:
        return units
    return format_quantity(units, scale)  # as text: no digit of it is lost
