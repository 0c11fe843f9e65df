"""What overrides fall back to, told from the fleet as last reported."""

from __future__ import annotations

from meterdeck.core.model.context import Context
from meterdeck.core.model.limit_rules import PLAIN
from meterdeck.core.model.override_ends import (
    Ending,
    Fallback,
    FoundOverride,
    ending_of,
)
from meterdeck.core.model.usage import (
    NO_LIMIT,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
)
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_rows import EPOCH


class OverrideEnds:
    """Says what happens when overrides end; belongs to the fleet's thread."""

    def __init__(self, context: Context, fleet: Fleet) -> None:
        self._context = context
        self._fleet = fleet

    def ending(self, found: FoundOverride) -> Ending | None:
        """Return what happens at the end of an override; None where none is read."""
        if found.override is None:
            return None
        fallback = self.fallback(found.tenant, found.resource)
        return ending_of(found.override, fallback, self._fleet.at or EPOCH)

    def fallback(self, tenant: TenantId, resource: ResourceName) -> Fallback:
        """Return what holds without an override, and the counter now."""
        fleet, row = self._fleet, self._fleet.row_of(tenant)
        known = Tenant(tenant, tenant) if row is None else fleet.tenant(row)
        column, limit = fleet.column_of(resource), NO_LIMIT
        if column < 0:
            made_up = Resource(resource, resource, "")
            return Fallback(known, made_up, limit, PLAIN, None)
        limit = self._context.limit_of(known, resource)
        rule = self._context.rule_of(known, resource)
        counted = fleet.resources[column]
        if row is None:
            return Fallback(known, counted, limit, rule, None)
        return Fallback(
            known,
            counted,
            limit,
            rule,
            fleet.used(row, column) or 0,
            fleet.rate(row, column),
            fleet.resets_at(row, column),
        )
