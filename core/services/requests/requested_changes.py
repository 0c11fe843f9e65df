"""Operator changes, asked for instead of made: the same calls, the same results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.request_calls import LAST_ANSWER_KEPT_S
from meterdeck.core.errors import Refused
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder
from meterdeck.core.model.change_requests import (
    ClearLimit,
    SetLimit,
    TakeBack,
    operation_of,
)
from meterdeck.core.model.changes import Actor, Adjusted, Adjustment, Override, Undone
from meterdeck.core.model.context import Context
from meterdeck.core.model.moments import moment_at
from meterdeck.core.model.override_words import OverrideWords
from meterdeck.core.model.request_answers import RequestAnswer, RequestState
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.kinds import check_bill
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.asking import Asking

_T = TypeVar("_T")


class RequestedChanges(OperatorChanges):
    """Changes of one context by request; what reads, reads as before.

    The actor is whoever the worker finds it to be, by the list's name. Every change
    raises, besides what it would if made directly, `Asked`: it may still be done.
    """

    REPEATED_FOR = timedelta(seconds=LAST_ANSWER_KEPT_S)

    def __init__(self, redis: Redis, context: Context) -> None:
        super().__init__(redis, context)
        self._asking = Asking(redis, context)

    def trail_id(self, operation_id: str) -> str:
        """Return the operation id that a change has in the audit trail."""
        return operation_of(self._asking.person, operation_id)

    async def adjust(
        self,
        adjustment: Adjustment,
        *,
        actor: Actor,
        operation_id: str,
        only_period: str = "",
    ) -> Adjusted:
        """Ask for a change of a counter; see `OperatorChanges.adjust`.

        Raises:
            Refused: Also, it is for one period only, which no request says.
        """
        if only_period:
            raise Refused("a request is made in the period that runs then")
        self._check(adjustment.tenant, adjustment.reason, operation_id)
        check_bill(adjustment.bill, self._context.resource(adjustment.resource))
        answer = _done(await self._asking.ask(operation_id, adjustment))
        return _read(answer, _adjusted)

    async def set_override(
        self,
        tenant: str,
        resource: str,
        units: int | None,
        *,
        expires_at: datetime | None,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> Override:
        """Ask for an override; see `OperatorChanges.set_override`."""
        who = self._check(tenant, reason, operation_id)
        name = self._context.resource(resource).name
        self._check_expiry(expires_at)
        wish = SetLimit(who, name, units, expires_at, reason)
        answer = _done(await self._asking.ask(operation_id, wish))
        created = _read(answer, lambda found: moment_at(_whole(found, "created_ms")))
        person = self._asking.person
        return Override(who, name, units, person, reason, created, expires_at)

    async def override_made(
        self, tenant: str, resource: str, operation_id: str
    ) -> OverrideWords | None:
        """Return what was set, or is asked for; see `OperatorChanges.override_made`."""
        wish = await self._asking.asked(operation_id)
        name = self._context.resource(resource).name
        if isinstance(wish, SetLimit) and (wish.tenant, wish.resource) == (
            tenant,
            name,
        ):
            return OverrideWords(wish.units, wish.expires_at)
        return await super().override_made(tenant, resource, operation_id)

    async def preview_undo(
        self, tenant: str, audit_id: str | None = None, *, operation_id: str = ""
    ) -> Undone:
        """Say what an undo would do now; see `OperatorChanges.preview_undo`."""
        if not operation_id:
            return await super().preview_undo(tenant, audit_id)
        wish = await self._asking.asked(operation_id)
        if isinstance(wish, TakeBack) and wish.tenant == tenant:
            audit_id = audit_id or wish.audit_id
        own = self.trail_id(operation_id)
        return await super().preview_undo(tenant, audit_id, operation_id=own)

    async def clear_override(
        self,
        tenant: str,
        resource: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> Override:
        """Ask for an override's end; see `OperatorChanges.clear_override`."""
        who = self._check(tenant, reason, operation_id)
        name = self._context.resource(resource).name
        wish = ClearLimit(who, name, reason)
        answer = _done(await self._asking.ask(operation_id, wish))
        units = answer.result.get("units")
        ends = answer.result.get("expires_ms")
        return Override(
            who,
            name,
            units if isinstance(units, int) else None,
            str(answer.result.get("actor", "")),
            str(answer.result.get("reason", "")),
            _read(answer, lambda found: moment_at(_whole(found, "created_ms"))),
            moment_at(ends) if isinstance(ends, int) else None,
        )

    async def undo(
        self,
        tenant: str,
        audit_id: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> Undone:
        """Ask for an undo; see `OperatorChanges.undo`."""
        who = self._check(tenant, reason, operation_id)
        wish = TakeBack(who, audit_id, reason)
        answer = _done(await self._asking.ask(operation_id, wish))
        found = answer.result
        undoes = _read(answer, lambda result: _word(result, "undoes"))
        entry = await self._trail.entry(who, undoes)
        return Undone(
            entry,
            _word(found, "action"),
            _word(found, "before"),
            _word(found, "after"),
            _word(found, "audit_id"),
            replayed=found.get("replayed") is True,
        )


class RequestedBulk:
    """Asks for the overrides of many tenants at once; see `BulkOverrides`."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._asking = Asking(redis, context)

    async def perform(
        self,
        order: BulkOrder,
        *,
        actor: Actor,
        operation_id: str,
        progress: Callable[[int], None] = lambda done: None,
    ) -> BulkDone:
        """Ask for all of them; all wait together where somebody has to approve.

        Raises:
            Asked: Not answered yet.
            Refused: None was done.
        """
        answer = _done(await self._asking.ask(operation_id, order))
        progress(len(order.limits))
        failed = _read(answer, _failed)
        missed = {tenant for tenant, _ in failed}
        done = tuple(tenant for tenant, _ in order.limits if tenant not in missed)
        return BulkDone(done, failed)


def _done(answer: RequestAnswer) -> RequestAnswer:
    """Return an answer that tells of a change.

    Raises:
        Refused: It tells why there was none, or that nobody knows.
    """
    if answer.state is not RequestState.DONE:
        raise Refused(answer.says)
    return answer


def _read(answer: RequestAnswer, read: Callable[[dict[str, object]], _T]) -> _T:
    try:
        return read(answer.result)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise Refused(
            f"it was done, but the answer cannot be read: {answer.says}"
        ) from error


def _adjusted(found: dict[str, object]) -> Adjusted:
    return Adjusted(
        before=_whole(found, "before"),
        after=_whole(found, "after"),
        period=_word(found, "period"),
        audit_id=_word(found, "audit_id"),
        replayed=found.get("replayed") is True,
    )


def _failed(found: dict[str, object]) -> tuple[tuple[TenantId, str], ...]:
    pairs = found.get("failed", [])
    if not isinstance(pairs, list):
        raise TypeError("failed")
    return tuple((TenantId(str(who)), str(why)) for who, why in pairs)


def _whole(found: dict[str, object], name: str) -> int:
    value = found[name]
    if type(value) is not int:
        raise TypeError(name)
    return value


def _word(found: dict[str, object], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise TypeError(name)
    return value
