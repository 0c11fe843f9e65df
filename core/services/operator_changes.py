"""What operators change: counters and overrides, each change with its audit entry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from meterdeck.core.adapters.redis_client import (
    Redis,
    enter_write,
    from_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply
from meterdeck.core.errors import BadInput, Conflict, NotFound, Refused
from meterdeck.core.model.audit import (
    AuditPage,
    AuditPlace,
    AuditQuery,
    AuditVerdict,
    BrokenChain,
)
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    AdjustKind,
    Adjustment,
    AuditEntry,
    Override,
    Undone,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_tenant
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.override_words import OverrideWords, read_override_words
from meterdeck.core.model.quantity import LARGEST, group_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceName, TenantId
from meterdeck.core.services.audit import AuditTrail
from meterdeck.core.services.audit_proof import AuditProof
from meterdeck.core.services.audit_view import AuditView
from meterdeck.core.services.change_calls import (
    OPERATION_KEPT_S,
    ChangeCalls,
    Signature,
    check_change,
    in_words,
)
from meterdeck.core.services.kinds import check_bill
from meterdeck.core.services.override_list import OverrideList, read_override
from meterdeck.core.services.undoing import Undoing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKED_AT = 500
"""Entries of a trail, the newest, among which one operation's is looked for."""


class OperatorChanges:
    """Changes of one context's counters and overrides.

    Every change is one script call: it is done whole, with its audit entry, or not
    at all. Done at most once an operation id; after `UnknownOutcome` repeat the call
    with the same id. `adjust` and the overrides raise, besides what they name:

        BadInput, NotFound: An argument is wrong.
        ReadOnly: The context allows no changes.
        BrokenCounter: A key holds something else; nothing was changed.
        Refused: The operation id was used for another change.
        RedisUnreachable, RedisRefused: Nothing was changed.
        UnknownOutcome: Changed or not, nobody knows.
    """

    REPEATED_FOR = timedelta(seconds=OPERATION_KEPT_S)
    """So long an operation is known by its id; then the id is a new one's."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._context = context
        self._redis = redis
        self._calls = ChangeCalls(redis, context)
        self._undoing = Undoing(redis, context, self._calls)
        self._trail = AuditTrail(redis, context)
        self._view = AuditView(redis, context)
        self._proof = AuditProof(redis, context)
        self._overrides = OverrideList(redis, context)

    def trail_id(self, operation_id: str) -> str:
        """Return the operation id that a change has in the audit trail."""
        return operation_id

    async def adjust(
        self,
        adjustment: Adjustment,
        *,
        actor: Actor,
        operation_id: str,
        only_period: str = "",
    ) -> Adjusted:
        """Change a counter in its current period; its expiry stays.

        Args:
            only_period: Label of the period that has to be the current one. A repair
                says it, for units that Stripe has: no bill has to follow.

        Raises:
            Conflict: The counter is not what the operator saw.
            Refused: The counter would fall below 0 or pass 2^53; or `only_period` is
                over.
        """
        self._check(adjustment.tenant, adjustment.reason, operation_id)
        await self._may_write()
        resource = self._context.resource(adjustment.resource)
        _check_amount(adjustment)
        if not only_period:
            check_bill(adjustment.bill, resource)
        signature = Signature(actor, adjustment.reason, operation_id)
        reply = await self._calls.adjust(
            adjustment, resource, signature, only_period=only_period
        )
        if reply is None:
            raise Refused(
                f"period {only_period} of {resource.label} of"
                f" {visible(adjustment.tenant)} is over; nothing was changed"
            )
        return _adjusted(reply, adjustment, resource)

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
        """Give a tenant's resource another limit at once; None is unlimited.

        It ends by itself at `expires_at`; an override there already is replaced.
        """
        who = self._check(tenant, reason, operation_id)
        name = self._context.resource(resource).name
        _check_units(units)
        self._check_expiry(expires_at)
        await self._may_write()
        signature = Signature(actor, reason, operation_id)
        reply = await self._calls.set_override(who, name, units, expires_at, signature)
        _check_not_past(reply, expires_at)
        created = from_milliseconds(int(reply[3]))
        return Override(who, name, units, actor.name, reason, created, expires_at)

    async def override_made(
        self, tenant: str, resource: str, operation_id: str
    ) -> OverrideWords | None:
        """Return the limit and end that an operation has set; None: none that is known.

        Whoever repeats it may have said them by the moment, as `+20%` for `3d`: said
        again that is another limit, and another end.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        who = check_tenant(tenant, tagged=self._context.redis.layout.tagged)
        left_by = self.trail_id(operation_id), self._context.resource(resource).name
        since = await self._calls.now() - self.REPEATED_FOR
        for entry in await self._trail.newest(who, count=_LOOKED_AT):
            if (entry.operation_id, entry.resource) == left_by and entry.at > since:
                return read_override_words(entry.after)
        return None

    async def clear_override(
        self,
        tenant: str,
        resource: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> Override:
        """Remove an override and return it; the plan's limit counts again at once.

        Raises:
            NotFound: There is no override.
        """
        who = self._check(tenant, reason, operation_id)
        name = self._context.resource(resource).name
        await self._may_write()
        signature = Signature(actor, reason, operation_id)
        reply = await self._calls.clear_override(who, name, signature)
        if reply[0] == b"none":
            raise NotFound(f"{visible(who)} has no override of {name}")
        return _removed(who, name, reply)

    async def overrides(self, tenant: str | None = None) -> tuple[Override, ...]:
        """Return the overrides in force, of one tenant or of all.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._overrides.read(tenant)

    async def overrides_found(
        self, tenant: str | None = None
    ) -> tuple[FoundOverride, ...]:
        """Return every override, also those that are over or broken; as `overrides`.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._overrides.found(tenant)

    async def undo(
        self,
        tenant: str,
        audit_id: str,
        *,
        actor: Actor,
        reason: str,
        operation_id: str,
    ) -> Undone:
        """Take an audit entry's effect back, at most once, whoever asks.

        It is a new change with an entry of its own that names the one undone. An
        adjustment's difference is taken back from the counter as it is now, for quota
        and bill as it was made; an override gives way to the one before it, and a
        removed one is in force again. An undo can be undone.

        Raises:
            NotFound: There is no such entry.
            Refused: It was undone before; its period is over; the override was changed
                since or has ended; the counter would fall below 0.
        """
        who = self._check(tenant, reason, operation_id)
        await self._may_write()
        return await self._undoing.undo(
            who, audit_id, Signature(actor, reason, operation_id)
        )

    async def preview_undo(
        self, tenant: str, audit_id: str | None = None, *, operation_id: str = ""
    ) -> Undone:
        """Say what `undo` would do now; changes nothing.

        Args:
            audit_id: None chooses the newest entry that can be undone, is no undo
                itself, and was not undone yet.
            operation_id: Of an undo whose answer was lost: chooses its entry again.

        Raises:
            NotFound: There is no such entry.
            Refused: It cannot be undone.
            BrokenCounter: The counter holds something else.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        who = check_tenant(tenant, tagged=self._context.redis.layout.tagged)
        return await self._undoing.preview(who, audit_id, operation_id)

    async def audit(
        self,
        tenant: str | None = None,
        *,
        limit: int = 100,
        before: AuditPlace | None = None,
    ) -> tuple[AuditEntry, ...]:
        """Return up to `limit` audit entries of one tenant or of all, newest first.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        page = await self.audit_page(AuditQuery(tenant, limit, before))
        return page.entries

    async def audit_page(self, wanted: AuditQuery) -> AuditPage:
        """Return a page of audit entries, newest first, and where the next begins.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._view.page(wanted)

    async def verify_audit(self, tenant: str) -> BrokenChain | None:
        """Check a tenant's whole trail; None where it is sound, or nobody's.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._proof.verify(tenant)

    async def verify_audits(
        self, told: Callable[[int, int], None] = lambda done, all_: None
    ) -> AuditVerdict:
        """Check every tenant's whole trail; `told` hears done and all trails.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._proof.verify_all(told)

    async def _may_write(self) -> None:
        await enter_write(self._redis)

    def _check(self, tenant: str, reason: str, operation_id: str) -> TenantId:
        check_change(self._context, reason, operation_id)
        return check_tenant(tenant, tagged=self._context.redis.layout.tagged)

    def _check_expiry(self, expires_at: datetime | None) -> None:
        if expires_at is None and self._context.override_needs_expiry:
            raise BadInput(
                f"overrides in context {self._context.name} need an expiry;"
                " say when this one ends"
            )
        if expires_at is not None and expires_at.tzinfo is None:
            raise BadInput("the override's expiry has no time zone; give one")


def _check_amount(adjustment: Adjustment) -> None:
    if adjustment.kind is AdjustKind.RESET:
        return
    if type(adjustment.amount) is not int or not 0 <= adjustment.amount <= LARGEST:
        raise BadInput(
            f"{adjustment.amount!r} is not an amount;"
            f" it is a whole number from 0 to {LARGEST:,}"
        )


def _check_units(units: int | None) -> None:
    if units is None:
        return
    if type(units) is not int or not 0 <= units <= LARGEST:
        raise BadInput(
            f"{units!r} is not a limit; it is a whole number from 0 to {LARGEST:,}"
        )


def _adjusted(reply: Reply, adjustment: Adjustment, resource: Resource) -> Adjusted:
    what = f"{resource.label} of {visible(adjustment.tenant)}"
    if reply[0] == b"conflict":
        assert adjustment.expected is not None
        raise Conflict(what, adjustment.expected, int(reply[1]))
    if reply[0] == b"negative":
        used = group_quantity(int(reply[1]), resource.scale)
        raise Refused(f"{what} is {used}; it cannot fall below 0, nothing was changed")
    return Adjusted(
        before=int(reply[2]),
        after=int(reply[3]),
        period=reply[4].decode(),
        audit_id=reply[5].decode(),
        replayed=reply[1] == b"1",
    )


def _removed(tenant: TenantId, resource: ResourceName, reply: Reply) -> Override:
    names = (b"units", b"actor", b"reason", b"created_at", b"expires_at")
    override = read_override(
        tenant, resource, dict(zip(names, reply[3:8], strict=True))
    )
    # One that something else wrote may hold no limit; it is removed all the same.
    return override or Override(tenant, resource, None, "", "", _EPOCH, None)


def _check_not_past(reply: Reply, expires_at: datetime | None) -> None:
    if reply[0] == b"past":
        raise BadInput(
            f"{in_words(expires_at)} is in the past for the Redis server,"
            f" where it is {in_words(from_milliseconds(int(reply[1])))};"
            " an override ends later than now"
        )
