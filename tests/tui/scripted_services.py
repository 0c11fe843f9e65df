"""Services beside an engine that answer from a script: costs, history, bulk, faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.tui.pictures import NOW

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.costs import Comparison, TenantCost
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.tenant_history import TenantHistory
from meterdeck.core.model.usage import Tenant
from meterdeck.core.model.what_if import WhatIf, with_usage


@dataclass
class ScriptedCosts:
    """Says what running periods cost; nothing of those it was not told of.

    Attributes:
        error: Raised by every question, until it is taken away.
        asked: Who was reckoned, and what was imagined.
    """

    known: dict[str, TenantCost] = field(default_factory=dict)
    error: MeterdeckError | None = None
    asked: list[str | WhatIf] = field(default_factory=list)

    async def of(self, tenant: Tenant) -> TenantCost:
        self.asked.append(tenant.id)
        self._raise()
        return self.known.get(tenant.id) or TenantCost(tenant, NOW)

    async def imagine(self, before: TenantCost, wanted: WhatIf) -> Comparison:
        self.asked.append(wanted)
        self._raise()
        return Comparison(before, with_usage(before, wanted))

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class ScriptedBulk:
    """Takes orders for many overrides.

    Attributes:
        refusing: Tenants whose override is refused, and why.
        error: Raised by the next order, once.
    """

    refusing: dict[str, str] = field(default_factory=dict)
    error: MeterdeckError | None = None
    orders: list[tuple[BulkOrder, str]] = field(default_factory=list)

    async def perform(
        self,
        order: BulkOrder,
        *,
        actor: Actor,
        operation_id: str,
        progress: Callable[[int], None],
    ) -> BulkDone:
        self.orders.append((order, operation_id))
        error, self.error = self.error, None
        if error is not None:
            raise error
        progress(len(order.limits))
        tenants = [tenant for tenant, _ in order.limits]
        refused = [(t, self.refusing[t]) for t in tenants if t in self.refusing]
        return BulkDone(
            tuple(t for t in tenants if t not in self.refusing), tuple(refused)
        )


@dataclass
class ScriptedHistory:
    """Says what was used before; nothing of those it was not told of."""

    known: dict[str, TenantHistory] = field(default_factory=dict)

    async def of(self, tenant: Tenant) -> TenantHistory:
        return self.known.get(tenant.id) or TenantHistory(tenant, NOW, ())


@dataclass
class ScriptedPanel:
    """A fault panel that takes what it is told, and injects nothing."""

    sight: FaultSight
    error: MeterdeckError | None = None
    asked: list[Mapping[str, object]] = field(default_factory=list)
    waiting: int = 0

    async def look(self) -> FaultSight:
        if self.error is not None:
            raise self.error
        return self.sight

    async def change(self, changes: Mapping[str, object]) -> FaultSight:
        self.asked.append(changes)
        faults = self.sight.faults
        if "preset" in changes:
            faults, changes = preset(str(changes["preset"])).faults, {}
        self.sight = replace(self.sight, faults=faults.changed(changes))
        return self.sight

    async def clear(self) -> FaultSight:
        self.sight = replace(self.sight, faults=OFF)
        return self.sight

    async def settle(self) -> int:
        settled, self.waiting = self.waiting, 0
        return settled
