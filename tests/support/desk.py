"""An operator at work in tests: changes and undos of one counter or override."""

from dataclasses import dataclass
from datetime import datetime

from tests.support.contexts import CALLS

from meterdeck.core.model.changes import (
    Actor,
    AdjustKind,
    Adjustment,
    AuditEntry,
    Bill,
    Override,
    Undone,
)
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ACME = TenantId("acme")
ADA, BOB = Actor("ada", "ssh 192.0.2.7"), Actor("bob", "local")


@dataclass
class Desk:
    """Changes of one tenant, each with an operation id of its own."""

    changes: OperatorChanges
    usage: UsageService
    tenant: TenantId = ACME
    resource: ResourceName = CALLS
    operations: int = 0

    def _next(self) -> str:
        self.operations += 1
        return f"op-{self.operations}"

    async def adjust(
        self, kind: AdjustKind, amount: int = 0, bill: Bill = Bill.QUOTA_ONLY
    ) -> str:
        """Adjust the counter and return the entry's id."""
        wish = Adjustment(self.tenant, self.resource, kind, amount, None, bill, "why")
        done = await self.changes.adjust(wish, actor=ADA, operation_id=self._next())
        return done.audit_id

    async def limit(self, units: int | None, ends: datetime | None = None) -> str:
        """Set the override and return the entry's id."""
        await self.changes.set_override(
            self.tenant,
            self.resource,
            units,
            expires_at=ends,
            actor=ADA,
            reason="why",
            operation_id=self._next(),
        )
        return (await self.newest()).id

    async def unlimit(self) -> str:
        """Clear the override and return the entry's id."""
        await self.changes.clear_override(
            self.tenant,
            self.resource,
            actor=ADA,
            reason="why",
            operation_id=self._next(),
        )
        return (await self.newest()).id

    async def undo(self, audit_id: str, operation_id: str = "") -> Undone:
        """Undo an entry, as another operator than the one who made it."""
        return await self.changes.undo(
            self.tenant,
            audit_id,
            actor=BOB,
            reason="was wrong",
            operation_id=operation_id or self._next(),
        )

    async def used(self) -> object:
        """Return the counter's value."""
        rows = await self.usage.usage(self.tenant)
        return next(row.used for row in rows if row.resource == self.resource)

    async def newest(self) -> AuditEntry:
        """Return the newest entry."""
        return (await self.changes.audit(self.tenant, limit=1))[0]

    async def override(self) -> Override | None:
        """Return the override in force."""
        found = await self.changes.overrides(self.tenant)
        return found[0] if found else None

    async def entries(self) -> int:
        """Return how many entries the trail has, having verified it."""
        assert await self.changes.verify_audit(self.tenant) is None
        return len(await self.changes.audit(self.tenant))
