"""The tenants that are marked, to be changed together."""

from __future__ import annotations

from collections.abc import Iterable

from meterdeck.core.model.usage import TenantId


class TenantMarks:
    """Marks by tenant, so that they stay whatever the order and the filter are."""

    def __init__(self) -> None:
        self.tenants: set[TenantId] = set()

    def __len__(self) -> int:
        return len(self.tenants)

    def __contains__(self, tenant: TenantId) -> bool:
        return tenant in self.tenants

    def turn(self, tenants: Iterable[TenantId]) -> None:
        """Mark tenants; where all of them are marked, take their marks away."""
        wanted = set(tenants)
        if wanted <= self.tenants:
            self.tenants -= wanted
        else:
            self.tenants |= wanted

    def keep(self, tenants: Iterable[TenantId]) -> None:
        """Have these marked and no others."""
        self.tenants = set(tenants)
