"""Carrying a request out, by the scripts that a direct change is made by, once."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.errors import Unreachable
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    Change,
    ClearLimit,
    EventWish,
    SetLimit,
    TakeBack,
    operation_of,
)
from meterdeck.core.model.changes import Actor, Adjusted, Adjustment, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.event_changes import DONE_WORDS
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.request_answers import Pending
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.core.model.wording import counted, trail_words
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.audit_entries import read_entry
from meterdeck.core.services.bulk_overrides import BulkOverrides
from meterdeck.core.services.change_calls import OPERATION_KEPT_S
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.event_requests import events_without_stripe
from meterdeck.core.services.requests.outcome import NobodyKnows, Outcome

_SURE = timedelta(seconds=OPERATION_KEPT_S / 2)
"""So long after it began a repeat is certain to get the first answer."""


class Applier:
    """Carries out changes of one context, with who asked as the actor."""

    def __init__(self, redis: Redis, context: Context, changes: OperatorChanges):
        self._redis = redis
        self._context = context
        self._changes = changes
        self._trail = AuditTrail(redis, context)

    async def apply(self, change: Change, record: Pending, now: datetime) -> Outcome:
        """Do it at most once, also after a break of any length.

        Raises:
            BadInput, NotFound, Refused: It was not done.
            Unreachable: Done or not: to be called again.
        """
        assert record.began is not None
        if now - record.began > _SURE:
            done = await self._done_before(change, record)
            if done is not None:
                return done
        return await self._make(change, record)

    async def _make(self, change: Change, record: Pending) -> Outcome:
        origin = f"request, approved by {record.by}" if record.by else "request"
        actor = Actor(record.person, origin)
        operation = operation_of(record.person, record.id)
        match change:
            case Adjustment():
                return self._adjusted(
                    change,
                    await self._changes.adjust(
                        change, actor=actor, operation_id=operation
                    ),
                )
            case SetLimit():
                return await self._set(change, actor, operation, record)
            case ClearLimit():
                return await self._clear(change, actor, operation, record)
            case TakeBack():
                return await self._undo(change, actor, operation)
            case BulkOrder():
                return await self._bulk(change, actor, operation)
            case EventWish():
                return await self._event(change, actor, operation, record)

    def _adjusted(self, change: Adjustment, done: Adjusted) -> Outcome:
        scale = self._context.resource(change.resource).scale
        before, after = (group_quantity(n, scale) for n in (done.before, done.after))
        result: dict[str, object] = {
            "before": done.before,
            "after": done.after,
            "period": done.period,
            "audit_id": done.audit_id,
            "replayed": done.replayed,
        }
        return Outcome(f"done: {before} → {after}", before, after, result)

    async def _set(
        self, change: SetLimit, actor: Actor, operation: str, record: Pending
    ) -> Outcome:
        done = await self._changes.set_override(
            change.tenant,
            change.resource,
            change.units,
            expires_at=change.expires_at,
            actor=actor,
            reason=change.reason,
            operation_id=operation,
        )
        scale = self._context.resource(change.resource).scale
        units = done.units
        after = "unlimited" if units is None else group_quantity(units, scale)
        result: dict[str, object] = {"created_ms": to_milliseconds(done.created_at)}
        said = f"done: limit {record.before} → {after}"
        return Outcome(said, record.before, after, result)

    async def _clear(
        self, change: ClearLimit, actor: Actor, operation: str, record: Pending
    ) -> Outcome:
        gone = await self._changes.clear_override(
            change.tenant,
            change.resource,
            actor=actor,
            reason=change.reason,
            operation_id=operation,
        )
        ends = gone.expires_at
        result: dict[str, object] = {
            "units": gone.units,
            "actor": gone.actor,
            "reason": gone.reason,
            "created_ms": to_milliseconds(gone.created_at),
            "expires_ms": None if ends is None else to_milliseconds(ends),
        }
        said = f"done: limit {record.before} → {record.after}"
        return Outcome(said, record.before, record.after, result)

    async def _undo(self, change: TakeBack, actor: Actor, operation: str) -> Outcome:
        done = await self._changes.undo(
            change.tenant,
            change.audit_id,
            actor=actor,
            reason=change.reason,
            operation_id=operation,
        )
        scale = self._context.resource(done.entry.resource).scale
        before, after = (trail_words(each, scale) for each in (done.before, done.after))
        result: dict[str, object] = {
            "undoes": done.entry.id,
            "action": done.action,
            "before": done.before,
            "after": done.after,
            "audit_id": done.audit_id,
            "replayed": done.replayed,
        }
        return Outcome(f"done: {before} → {after}", before, after, result)

    async def _event(
        self, change: EventWish, actor: Actor, operation: str, record: Pending
    ) -> Outcome:
        events = events_without_stripe(self._redis, self._context)
        done = await events.perform(
            change.change,
            change.identifier,
            actor=actor,
            reason=change.reason,
            operation_id=operation,
        )
        return self._changed(change, record, done.audit_id, replayed=done.replayed)

    def _changed(
        self, change: EventWish, record: Pending, audit_id: str, *, replayed: bool
    ) -> Outcome:
        said = f"done: {visible(change.identifier, 60)} {DONE_WORDS[change.change]}"
        result: dict[str, object] = {"audit_id": audit_id, "replayed": replayed}
        return Outcome(said, record.before, record.after, result)

    async def _bulk(self, order: BulkOrder, actor: Actor, operation: str) -> Outcome:
        done = await BulkOverrides(self._changes).perform(
            order, actor=actor, operation_id=operation
        )
        if isinstance(done.stopped, Unreachable):
            raise done.stopped  # what is set stays set; the rest is, when it is back
        failed = [[tenant, why[:200]] for tenant, why in done.failed]
        what = counted(len(done.done), "override")
        said = f"done: {what} {'removed' if order.remove else 'set'}"
        if failed:
            said = f"{said}, {len(failed):,} not"
        result: dict[str, object] = {"done": len(done.done), "failed": failed}
        return Outcome(said, "", what, result)

    # -- a repeat so late that the scripts may have forgotten ----------------------

    async def _done_before(self, change: Change, record: Pending) -> Outcome | None:
        """Return what the trail says was done; None where nothing was.

        Raises:
            NobodyKnows: It is about many tenants, some of whose may be done.
        """
        if isinstance(change, BulkOrder):
            raise NobodyKnows(
                "a worker broke off long ago, in the middle of many: the audit trails"
                " tell whose limit was changed"
            )
        entry = await self._entry_of(change.tenant, record)
        if entry is None or isinstance(change, TakeBack):
            return None  # an undo is known for ever, by the entry that it undid
        if isinstance(change, EventWish):
            return self._changed(change, record, entry.id, replayed=True)
        scale = self._context.resource(entry.resource).scale
        before, after = (
            trail_words(each, scale) for each in (entry.before, entry.after)
        )
        said = f"done: {before} → {after}"
        if not isinstance(change, Adjustment):
            result: dict[str, object] = {"created_ms": to_milliseconds(entry.at)}
            return Outcome(said, before, after, result)
        done = Adjusted(
            int(entry.before), int(entry.after), entry.period, entry.id, replayed=True
        )
        return self._adjusted(change, done)

    async def _entry_of(self, tenant: TenantId, record: Pending) -> AuditEntry | None:
        assert record.began is not None
        operation = operation_of(record.person, record.id)
        since = f"{to_milliseconds(record.began) - 1}-0"
        async for raw in self._trail.all(tenant, after=since):
            entry = read_entry(tenant, *raw)
            if entry.operation_id == operation:
                return entry
        return None
