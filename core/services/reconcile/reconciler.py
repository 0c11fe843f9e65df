"""Goes through the counters, compares each with Stripe, and notes what agrees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from meterdeck.core.errors import NotFound, Refused, Unreachable
from meterdeck.core.model.delivery import BillingRecord, Confirmation
from meterdeck.core.model.reconciliation import Finding
from meterdeck.core.model.usage import CounterId, Resource, Tenant
from meterdeck.core.services.reconcile.facts import FactFinder, Moving, Sources
from meterdeck.core.services.reconcile.subjects import Compared, Subject, subjects_of

_TOGETHER = 200  # counters whose records are read at once
_AT_ONCE = 8
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be reconciled.

    Attributes:
        everything: Also what has not changed since Stripe last agreed.
    """

    tenants: Sequence[Tenant]
    resources: Sequence[Resource]
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Unasked:
    """A counter that could not be compared, and why.

    Attributes:
        passing: Whether asking again later may help.
    """

    counter: CounterId
    reason: str
    passing: bool


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A counter that is as it was when Stripe last agreed, or was never used."""

    counter: CounterId


Result = Compared | Unasked | Unchanged


class Reconciler:
    """Compares the counters of one context with Stripe; reads only, but for `confirm`.

    Args:
        writes: Whether what agrees is noted in the billing records, as confirmed.
    """

    def __init__(self, sources: Sources, *, writes: bool) -> None:
        self._from = sources
        self._finder = FactFinder(sources)
        self._writes = writes

    async def results(
        self, scope: Scope, told: Callable[[int], None] = lambda done: None
    ) -> AsyncIterator[Result]:
        """Yield what was found of each counter.

        Args:
            told: Called with the number of counters that are done, now and then.

        Raises:
            Unreachable: Neither meters, log nor records could be read.
        """
        await self._from.summaries.learn_meters()
        await self._from.log.refresh()
        now = await self._from.now()
        done = 0
        for subjects in _batches(_subjects(scope, now), _TOGETHER):
            counters = [subject.counter for subject in subjects]
            records = await self._from.records.read(counters)
            wanted = []
            for subject, record in zip(subjects, records, strict=True):
                if _is_wanted(subject, record, now, everything=scope.everything):
                    wanted.append(subject)
                elif record.sequence or record.used:
                    yield Unchanged(record.counter)
            for some in _batches(wanted, _AT_ONCE):
                found = await asyncio.gather(*map(self._result, some))
                await self._confirm(found)
                for each in found:
                    yield each
                done += len(some)
                told(done)

    async def look(self, subject: Subject) -> Finding:
        """Compare one counter with Stripe, now.

        Raises:
            NotFound, Refused: There is nothing to compare it with.
            Unreachable: Redis or Stripe could not be asked, or it moves too fast.
        """
        await self._from.summaries.learn_meters()
        if subject.resource.meter in self._from.shared:
            raise Refused(_SHARED)
        try:
            return await self._finder.finding(subject)
        except Moving as error:
            raise Unreachable(_MOVING) from error

    async def _result(self, subject: Subject) -> Result:
        if not subject.tenant.customer:
            reason = "the tenant is not a customer in Stripe"
            return Unasked(subject.counter, reason, passing=False)
        if subject.resource.meter in self._from.shared:
            return Unasked(subject.counter, _SHARED, passing=False)
        try:
            return Compared(subject, await self._finder.finding(subject))
        except Moving:
            return Unasked(subject.counter, _MOVING, passing=True)
        except (NotFound, Refused) as error:
            return Unasked(subject.counter, str(error), passing=False)
        except Unreachable as error:
            return Unasked(subject.counter, str(error), passing=True)

    async def _confirm(self, results: Iterable[Result]) -> None:
        if not self._writes:
            return
        compared = [each for each in results if isinstance(each, Compared)]
        fresh = [
            Confirmation(each.subject.counter, each.finding.confirmed_units, number)
            for each in compared
            if (number := each.finding.confirms) and not each.subject.by_events
        ]
        if fresh:
            await self._from.records.confirm(fresh)


_SHARED = "several resources have this meter: Stripe has only their sum"
_MOVING = "its events are settled while Stripe is asked; ask again"


def _subjects(scope: Scope, now: datetime) -> Iterable[Subject]:
    for tenant in scope.tenants:
        yield from subjects_of(tenant, scope.resources, now)


def _is_wanted(
    subject: Subject, record: BillingRecord, now: datetime, *, everything: bool
) -> bool:
    known = record.used or record.sequence or record.reported or record.offset
    if everything:
        return bool(known) or now in subject.period
    if not known:
        return False
    same = (record.confirmed, record.confirmed_sequence) == (
        record.reported,
        record.sequence,
    )
    open_ends = record.claim or record.parked or record.waiting < 0
    gone = record.used is None and now in subject.period
    return not same or bool(open_ends) or gone


def _batches(items: Iterable[_T], size: int) -> Iterable[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
