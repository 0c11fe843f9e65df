"""Overrides of many tenants, set or removed at once, each at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from meterdeck.core.errors import (
    MeterdeckError,
    NotFound,
    ProgramTooOld,
    ReadOnly,
    Refused,
    UnknownOutcome,
)
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder, Candidate
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.operator_changes import OperatorChanges

LANES = 8
"""Changes under way at once: over a link the time goes into waiting for answers."""
NOT_TRIED = "not tried"

_Limits = Iterator[tuple[TenantId, int | None]]


def candidates(
    fleet: Fleet, tenants: Sequence[TenantId], resource: ResourceName
) -> list[Candidate]:
    """Return how tenants stand with a resource; who has gone is left out."""
    column, found = fleet.column_of(resource), []
    for tenant in tenants:
        row = fleet.row_of(tenant)
        if row is not None and column >= 0:
            found.append(
                Candidate(
                    tenant,
                    fleet.tenant(row).name,
                    fleet.used(row, column),
                    fleet.limit(row, column),
                    fleet.rule(row, column),
                    fleet.limit_without(row, column),
                )
            )
    return found


class BulkOverrides:
    """Sets the overrides of an order."""

    def __init__(self, changes: OperatorChanges) -> None:
        self._changes = changes

    async def perform(
        self,
        order: BulkOrder,
        *,
        actor: Actor,
        operation_id: str,
        progress: Callable[[int], None] = lambda done: None,
    ) -> BulkDone:
        """Set all overrides that can be set, each at most once an operation id.

        What is kept of an id is kept for each tenant: asking again with the same order
        sets what is missing, and the trail of each names the one operation. A tenant
        that is refused keeps no other from its change; a server that does not answer
        ends all of it.

        Args:
            progress: Told how many were dealt with, after each.

        Raises:
            ReadOnly, ProgramTooOld: The context, or the database, allows no changes.
            UnknownOutcome: An answer was lost: ask again with the same id.
        """
        run = _Run(self._changes, order, actor, operation_id, progress)
        work = iter(order.limits)
        await asyncio.gather(*(run.lane(work) for _ in range(LANES)))
        return run.result()


class _Run:
    """One attempt; its lanes take from the same work until a server fails."""

    def __init__(
        self,
        changes: OperatorChanges,
        order: BulkOrder,
        actor: Actor,
        operation_id: str,
        progress: Callable[[int], None],
    ) -> None:
        self._changes = changes
        self._order = order
        self._actor = actor
        self._operation_id = operation_id
        self._progress = progress
        self._done: set[TenantId] = set()
        self._failed: dict[TenantId, str] = {}
        self._stop: MeterdeckError | None = None

    async def lane(self, work: _Limits) -> None:
        """Set one override after the other."""
        for tenant, units in work:
            if self._stop is not None:
                return
            try:
                await self._set(tenant, units)
            except MeterdeckError as error:
                self._failed[tenant] = str(error)
                # Whatever is not about this tenant would be the same for the next.
                of_one = isinstance(error, (Refused, NotFound))
                if not of_one or isinstance(error, ReadOnly):
                    self._stop = self._worse(error)
            else:
                self._done.add(tenant)
            self._progress(len(self._done) + len(self._failed))

    async def _set(self, tenant: TenantId, units: int | None) -> None:
        if self._order.remove:
            await self._changes.clear_override(
                tenant,
                self._order.resource,
                actor=self._actor,
                reason=self._order.reason,
                operation_id=self._operation_id,
            )
            return
        await self._changes.set_override(
            tenant,
            self._order.resource,
            units,
            expires_at=self._order.expires_at,
            actor=self._actor,
            reason=self._order.reason,
            operation_id=self._operation_id,
        )

    def _worse(self, error: MeterdeckError) -> MeterdeckError:
        lost = isinstance(self._stop, UnknownOutcome)
        return self._stop if lost and self._stop is not None else error

    def result(self) -> BulkDone:
        """Return what was done.

        Raises:
            ReadOnly, ProgramTooOld: The context, or the database, allows no changes.
            UnknownOutcome: Of some of it nobody knows.
        """
        if isinstance(self._stop, ReadOnly | ProgramTooOld):
            raise self._stop
        if isinstance(self._stop, UnknownOutcome):
            what = f"override {len(self._done) + 1:,} of {len(self._order.limits):,}"
            raise UnknownOutcome(what, self._operation_id) from self._stop
        tenants = [tenant for tenant, _ in self._order.limits]
        failed = [
            (tenant, self._failed.get(tenant, NOT_TRIED))
            for tenant in tenants
            if tenant not in self._done
        ]
        failed.sort(key=lambda one: one[1] == NOT_TRIED)
        done = tuple(tenant for tenant in tenants if tenant in self._done)
        return BulkDone(done, tuple(failed), self._stop)
