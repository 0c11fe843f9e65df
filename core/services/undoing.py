"""Undo: a new change that takes the effect of an audit entry back."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply
from meterdeck.core.errors import BrokenCounter, NotFound, Refused
from meterdeck.core.model.changes import AdjustKind, Adjustment, AuditEntry, Undone
from meterdeck.core.model.context import Context
from meterdeck.core.model.holding import holding
from meterdeck.core.model.names import name_text
from meterdeck.core.model.quantity import LARGEST, group_quantity, parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, TenantId
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.change_calls import ChangeCalls, Signature
from meterdeck.core.services.undo_plan import (
    NO_OVERRIDE,
    Difference,
    PutBack,
    Remove,
    UndoPlan,
    UndoPlanner,
    named,
    not_as_left,
)

_ROUNDS = 4
_CHOSEN_FROM = 500


class Undoing:
    """Plans undos, foresees them, and does them."""

    def __init__(self, redis: Redis, context: Context, calls: ChangeCalls) -> None:
        self._redis = redis
        self._context = context
        self._calls = calls
        self._trail = AuditTrail(redis, context)
        self._planner = UndoPlanner(redis, context, calls)

    async def undo(
        self, tenant: TenantId, audit_id: str, signature: Signature
    ) -> Undone:
        """Take an entry back; see `OperatorChanges.undo`."""
        entry = await self._trail.entry(tenant, audit_id)
        signed = replace(signature, undoes=entry.id)
        for _ in range(_ROUNDS):
            done = await self._done_before(entry, signed.operation_id)
            done = done or await self._try(entry, signed)
            if done is not None:
                return done
        raise Refused(f"{named(entry)} keeps changing; nothing was undone")

    async def preview(
        self, tenant: TenantId, audit_id: str | None, operation_id: str
    ) -> Undone:
        """Say what would be done; see `OperatorChanges.preview_undo`."""
        if audit_id is None:
            audit_id = await self._choose(tenant, operation_id)
        entry = await self._trail.entry(tenant, audit_id)
        done = await self._done_before(entry, operation_id)
        if done is not None:
            return done
        match await self._planner.plan(entry):
            case Difference(wish, resource):
                used = await self._used(wish, entry.period)
                after = wish.result(used)
                if after < 0 and wish.kind is AdjustKind.SUBTRACT:
                    raise _below_zero(entry, resource, wish.amount, used)
                action = f"adjust:{wish.kind}"
                return Undone(entry, action, str(used), str(after), "", replayed=False)
            case plan:
                return _override_undone(entry, plan, "", replayed=False)

    async def _choose(self, tenant: TenantId, operation_id: str) -> str:
        entries = await self._trail.newest(tenant, count=_CHOSEN_FROM)
        for entry in entries:
            if operation_id and entry.undoes and entry.operation_id == operation_id:
                return entry.undoes
        undone = await self._trail.undone_by(tenant, [each.id for each in entries])
        for index, entry in enumerate(entries):
            if entry.undoes or entry.id in undone:
                continue
            try:
                await self._planner.plan(entry, entries[:index][::-1])
            except (NotFound, Refused):
                continue  # it has no effect any more: an older one may have
            return entry.id
        who = visible(tenant)
        raise NotFound(
            f"{who} has no change that can be undone; see: meterdeck audit {who}"
        )

    async def _done_before(self, entry: AuditEntry, operation_id: str) -> Undone | None:
        """Return what the same operation did before; None if nobody undid the entry.

        Raises:
            Refused: Another operation did.
        """
        undone = await self._trail.undone_by(entry.tenant, [entry.id])
        if entry.id not in undone:
            return None
        by = await self._trail.entry(entry.tenant, undone[entry.id])
        if by.operation_id == operation_id:
            return Undone(entry, by.action, by.before, by.after, by.id, replayed=True)
        raise Refused(
            f"{named(entry)} was undone before, by {visible(by.actor)};"
            f" to take that back: meterdeck undo {visible(entry.tenant)} {by.id}"
        )

    async def _try(self, entry: AuditEntry, signed: Signature) -> Undone | None:
        """Plan and carry out; None where it has to be planned anew."""
        try:
            plan = await self._planner.plan(entry)
        except Refused:
            # A first try of this operation may have arrived only now.
            if done := await self._done_before(entry, signed.operation_id):
                return done
            raise
        reply = await self._send(entry, plan, signed)
        if reply is None:
            return None  # another period began
        match plan, reply[0]:
            case _, b"ok":
                return _undone(entry, plan, reply)
            case Difference(wish, resource), b"negative":
                raise _below_zero(entry, resource, wish.amount, int(reply[1]))
            case _, b"conflict":
                raise not_as_left(entry, name_text(reply[1]))
            case _, b"none":
                raise not_as_left(entry, NO_OVERRIDE)
            case _, b"past":
                self._calls.learn(from_milliseconds(int(reply[1])))
        return None  # an override ended, or somebody else undid the entry

    async def _send(
        self, entry: AuditEntry, plan: UndoPlan, signed: Signature
    ) -> Reply | None:
        who = entry.tenant
        match plan:
            case Difference(wish, resource):
                return await self._calls.adjust(
                    wish, resource, signed, only_period=entry.period
                )
            case PutBack(resource, _, units, expires_at):
                return await self._calls.set_override(
                    who,
                    resource.name,
                    units,
                    expires_at,
                    signed,
                    expected=entry.after,
                )
            case Remove(resource):
                return await self._calls.clear_override(
                    who, resource.name, signed, expected=entry.after
                )

    async def _used(self, wish: Adjustment, period: str) -> int:
        key = self._context.redis.layout.counter(wish.tenant, wish.resource, period)
        with redis_errors():
            kind = cast("bytes", await self._redis.type(key)).decode()
            raw = None
            if kind == "string":
                raw = cast("bytes | None", await self._redis.get(key))
        used = 0 if kind == "none" else parse_counter(raw or b"")
        if used is None or abs(used) > LARGEST:
            raise BrokenCounter(visible(name_text(key)), holding(kind, raw))
        # As the script does: what expired is given back before anything is decided.
        return used - min(await self._expired(wish, period), max(0, used))

    async def _expired(self, wish: Adjustment, period: str) -> int:
        key = self._context.redis.layout.reserved(wish.tenant, wish.resource, period)
        now_ms = to_milliseconds(await self._calls.now())
        with redis_errors():
            reply = await self._redis.zrangebyscore(key, "-inf", now_ms)
        members = cast("list[bytes]", reply)
        units = (parse_counter(each.rpartition(b":")[2]) for each in members)
        return sum(each or 0 for each in units)


def _undone(entry: AuditEntry, plan: UndoPlan, reply: Reply) -> Undone:
    replayed = reply[1] == b"1"
    if not isinstance(plan, Difference):
        return _override_undone(entry, plan, reply[2].decode(), replayed=replayed)
    action = f"adjust:{plan.adjustment.kind}"
    before, after, audit_id = reply[2].decode(), reply[3].decode(), reply[5].decode()
    return Undone(entry, action, before, after, audit_id, replayed)


def _override_undone(
    entry: AuditEntry, plan: PutBack | Remove, audit_id: str, *, replayed: bool
) -> Undone:
    if isinstance(plan, PutBack):
        action, after = "override:set", plan.words
    else:
        action, after = "override:clear", NO_OVERRIDE
    return Undone(entry, action, entry.after, after, audit_id, replayed)


def _below_zero(
    entry: AuditEntry, resource: Resource, amount: int, used: int
) -> Refused:
    taken, left = (group_quantity(each, resource.scale) for each in (amount, used))
    return Refused(
        f"{named(entry)} added {taken}, and {resource.label} is {left} now; it cannot"
        " fall below 0, so nothing was changed: adjust it to what is right"
    )
