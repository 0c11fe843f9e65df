"""What takes an audit entry back: found out from the trail and what is there now.

Usage counts on meanwhile, and other operators change things. An adjustment's
difference is taken back from whatever the counter is now; an override is put back only
where nothing has changed it since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import Refused
from meterdeck.core.model.changes import AdjustKind, Adjustment, AuditEntry, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_text
from meterdeck.core.model.override_words import read_override_words
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, TenantId
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.change_calls import ChangeCalls

NO_OVERRIDE = "none"
"""How the trail writes that there is no override."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Add to, or take from, the counter as it is."""

    adjustment: Adjustment
    resource: Resource


@dataclass(frozen=True, slots=True)
class PutBack:
    """Set the override that was there before."""

    resource: Resource
    words: str
    units: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the override."""

    resource: Resource


UndoPlan = Difference | PutBack | Remove


class UndoPlanner:
    """Plans undos; changes nothing."""

    def __init__(self, redis: Redis, context: Context, calls: ChangeCalls) -> None:
        self._redis = redis
        self._context = context
        self._calls = calls
        self._trail = AuditTrail(redis, context)

    async def plan(
        self, entry: AuditEntry, later: Sequence[AuditEntry] | None = None
    ) -> UndoPlan:
        """Say what takes an entry back.

        Raises:
            NotFound: Its resource is not configured any more.
            Refused: Nothing does.
        """
        kind = entry.action.partition(":")[0]
        if kind not in ("adjust", "override"):
            raise Refused(f"{named(entry)} is {visible(entry.action)}; it has no undo")
        resource = self._context.resource(entry.resource)
        if entry.before == entry.after:
            raise Refused(f"{named(entry)} changed nothing; there is nothing to undo")
        if kind == "adjust":
            return await self._plan_difference(entry, resource)
        if later is None:
            later = await self._trail.later(entry)
        return await self._plan_override(entry, resource, later)

    async def _plan_difference(
        self, entry: AuditEntry, resource: Resource
    ) -> Difference:
        period = await self._calls.period(entry.tenant, resource)
        if period.label != entry.period:
            await self._calls.look_again(entry.tenant)
            period = await self._calls.period(entry.tenant, resource)
        if period.label != entry.period:
            raise Refused(
                f"{named(entry)} is of period {visible(entry.period)}, which is over;"
                f" if it still matters, adjust the current one, {period.label}"
            )
        before = parse_counter(entry.before.encode())
        after = parse_counter(entry.after.encode())
        if before is None or after is None or entry.bill not in list(Bill):
            raise Refused(f"{named(entry)} has no difference that can be taken back")
        kind = AdjustKind.SUBTRACT if after > before else AdjustKind.ADD
        wish = Adjustment(
            tenant=entry.tenant,
            resource=resource.name,
            kind=kind,
            amount=abs(after - before),
            expected=None,
            bill=Bill(entry.bill),
            reason="",
        )
        return Difference(wish, resource)

    async def _plan_override(
        self, entry: AuditEntry, resource: Resource, later: Sequence[AuditEntry]
    ) -> UndoPlan:
        words = await self._override_words(entry.tenant, resource)
        if words == NO_OVERRIDE != entry.after:
            raise not_as_left(entry, words)
        if by := _changed_by(entry, later):
            raise Refused(
                f"the override of {named(entry)} was changed since, by"
                f" {visible(by.actor)} with entry {by.id};"
                " undo that one first, or set the override by hand"
            )
        if words != entry.after:
            raise not_as_left(entry, words)
        if entry.before == NO_OVERRIDE:
            return Remove(resource)
        plan = _limit(entry, resource)
        if plan.expires_at is None or await self._calls.now() < plan.expires_at:
            return plan
        if entry.after == NO_OVERRIDE:
            raise Refused(
                f"the override that {named(entry)} removed would have ended by now,"
                " so there is nothing to undo"
            )
        return Remove(resource)

    async def _override_words(self, tenant: TenantId, resource: Resource) -> str:
        key = self._context.redis.layout.override(tenant, resource.name)
        with redis_errors():
            reply = await self._redis.hmget(key, ["units", "until"])
        units, until = cast("list[bytes | None]", reply)
        if units is None:
            return NO_OVERRIDE
        return name_text(units) + (f" until {name_text(until)}" if until else "")


def _changed_by(entry: AuditEntry, later: Sequence[AuditEntry]) -> AuditEntry | None:
    """Return the last change of an entry's override that was not undone itself."""
    changes: dict[str, AuditEntry] = {}
    for each in later:
        if each.resource != entry.resource or not each.action.startswith("override:"):
            continue
        if changes.pop(each.undoes, None) is None:
            changes[each.id] = each
    return next(reversed(changes.values()), None)


def _limit(entry: AuditEntry, resource: Resource) -> PutBack:
    limit = read_override_words(entry.before)
    if limit is None:
        raise _no_limit(entry)
    return PutBack(resource, entry.before, limit.units, limit.expires_at)


def _no_limit(entry: AuditEntry) -> Refused:
    return Refused(
        f"the override before {named(entry)} was {visible(entry.before)},"
        " which is no limit; set one by hand"
    )


def not_as_left(entry: AuditEntry, words: str) -> Refused:
    """Say that an override is not what an entry left, but `words`."""
    if words == NO_OVERRIDE:
        return Refused(
            f"the override that {named(entry)} set has ended; there is nothing to undo"
        )
    return Refused(
        f"{named(entry)} left the override as {visible(entry.after)}, and it is"
        f" {visible(words)} now; set it by hand"
    )


def named(entry: AuditEntry) -> str:
    """Name an entry in a sentence."""
    return f"entry {entry.id} of {visible(entry.tenant)}"
