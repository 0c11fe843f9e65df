"""Who the sandbox's tenants are now: the seeded ones and a developer's own."""

from __future__ import annotations

from meterdeck.core.model.periods import Cycle
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.directory import Directory


class Roster:
    """The directory in memory, by tenant and by customer.

    `Directory.get` reads the whole directory to find a customer; for each meter
    event of a program that sends thousands that would be too slow.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._tenants: dict[TenantId, Tenant] = {}
        self._of_customer: dict[str, TenantId] = {}

    async def refresh(self) -> None:
        """Take over what changed in the local Stripe, and write it to Redis.

        Raises:
            Unreachable, Refused: What was known stays.
        """
        change = await self._directory.refresh()
        for name in change.removed:
            gone = self._tenants.pop(name, None)
            if gone is not None:
                self._of_customer.pop(gone.customer, None)
        for tenant in change.tenants:
            self._tenants[tenant.id] = tenant
            if tenant.customer:
                self._of_customer[tenant.customer] = tenant.id

    def tenant_of(self, customer: str) -> TenantId | None:
        """Return the tenant of a Stripe customer, None where there is none."""
        return self._of_customer.get(customer)

    def customer_of(self, tenant: TenantId) -> str:
        """Return the Stripe customer of a tenant, empty where there is none."""
        found = self._tenants.get(tenant)
        return found.customer if found else ""

    def cycle_of(self, tenant: TenantId) -> Cycle | None:
        """Return the billing cycle of a tenant, None without a subscription."""
        found = self._tenants.get(tenant)
        return found.cycle if found else None
