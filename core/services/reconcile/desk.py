"""Drift for somebody who watches: compare, see how far it is, stop, plan, repair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.drift import LastPass, WorstRows, drifted
from meterdeck.core.model.usage import CounterId, Resource, Tenant, TenantId
from meterdeck.core.services.close_guard import CloseGuard, Closing
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.reconciler import (
    Result,
    Scope,
    Unasked,
    Unchanged,
)
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.repair_plan import Step
from meterdeck.core.services.reconcile.repairs import Repaired
from meterdeck.core.services.reconcile.subjects import Compared

MOST_WRONG = 2_000
"""Counters that differ that are told of, the worst."""
MOST_CLOSING = 1_000
"""Counters of periods that end soon that are told of, those that end first."""


@dataclass(slots=True)
class Comparison:
    """A comparison under way: written by the engine's thread, read by any.

    Attributes:
        everything: Also what has not changed since Stripe last agreed; always so until
            that was done once since Redis began to run.
        tenants: How many there are to go through, and `done` how many were; 0 before
            they are known.
        wrong: Counters that differ.
        moving: How many agree, with units on their way or beside the bill.
        unasked: How many could not be compared.
        problem: Why it ended early; empty while it has not.
    """

    everything: bool = False
    tenants: int = 0
    done: int = 0
    wrong: WorstRows = field(default_factory=lambda: WorstRows(MOST_WRONG))
    moving: int = 0
    unasked: int = 0
    agreed: int = 0
    unchanged: int = 0
    began: datetime | None = None
    ended: datetime | None = None
    stopped: bool = False
    problem: str = ""

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.ended is None and not self.problem and not self.stopped

    def take(self, result: Result) -> None:
        """Take what was found of a counter."""
        match result:
            case Unchanged():
                self.unchanged += 1
            case Unasked():
                self.unasked += 1
            case Compared(subject, finding) if not finding.agreed:
                self.wrong.add(drifted(subject.counter, finding))
            case Compared(finding=finding) if finding.shares:
                self.moving += 1
            case Compared():
                self.agreed += 1


class DriftDesk:
    """Everything about drift of one context; asks nobody until it is used."""

    def __init__(
        self,
        context: Context,
        reconciliation: Reconciliation,
        directory: Directory,
        kept: KeptPass,
    ) -> None:
        self._context = context
        self._all = reconciliation
        self._directory = directory
        self._kept = kept

    async def last(self) -> LastPass | None:
        """Return what the workers' last pass found; one round trip to Redis.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        return await self._kept.read()

    async def compare(self, comparison: Comparison) -> None:
        """Compare all tenants with Stripe, at the rate that reconciling has.

        What is found is in `comparison` at once. Cancel it to stop.

        Raises:
            Unreachable, Refused: It is `comparison.problem`, too.
        """
        reconciler = self._all.reconciler()
        try:
            comparison.began = await self._all.now()
            life = await self._all.lives.look()
            comparison.everything = comparison.everything or not life.is_compared
            tenants = await self._directory.cached()
            tenants = tenants or (await self._directory.refresh()).tenants
            comparison.tenants = len(tenants)
            places = {each.id: number for number, each in enumerate(tenants, 1)}
            scope = Scope(tenants, self._context.resources, comparison.everything)
            async for result in reconciler.results(scope):
                comparison.take(result)
                comparison.done = places.get(_tenant_of(result), comparison.done)
            comparison.done = len(tenants)
            comparison.ended = await self._all.now()
        except MeterdeckError as error:
            comparison.problem = str(error)
            raise

    async def compared(self, counters: Iterable[CounterId]) -> tuple[Result, ...]:
        """Compare a few counters anew, whatever was found before.

        A counter that agrees, or was never used, may be missing in the answer.

        Raises:
            Unreachable: Redis or Stripe could not be asked.
            NotFound: A tenant is gone.
        """
        wanted = frozenset(counters)
        names = dict.fromkeys(each.tenant for each in wanted)
        tenants = [await self._directory.get(name) for name in names]
        resources = {each.resource for each in wanted}
        scope = Scope(tenants, self._resources(resources), everything=True)
        results = self._all.reconciler().results(scope)
        return tuple([each async for each in results if _counter_of(each) in wanted])

    def _resources(self, names: Iterable[str]) -> list[Resource]:
        wanted = frozenset(names)
        return [each for each in self._context.resources if each.name in wanted]

    async def repair(
        self, steps: Sequence[Step], actor: Actor, reason: str
    ) -> list[Repaired]:
        """Carry a plan out; see `Repairs.apply`."""
        return await self._all.repairs().apply(steps, actor, reason)

    async def closing(
        self, progress: Callable[[int], None] = lambda read: None
    ) -> tuple[tuple[Closing, ...], int]:
        """Return what is unsent of periods that end soon, and how many more there are.

        Asks Redis alone.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        guard = CloseGuard(self._context, self._all.records)
        tenants: Sequence[Tenant] = await self._directory.everybody()
        now = await self._all.now()
        found = await guard.in_order(tenants, now, progress=progress)
        return tuple(found[:MOST_CLOSING]), max(0, len(found) - MOST_CLOSING)


def _counter_of(result: Result) -> CounterId:
    return result.subject.counter if isinstance(result, Compared) else result.counter


def _tenant_of(result: Result) -> TenantId:
    return _counter_of(result).tenant
