"""What operators change: counters and overrides, each change with its audit entry."""

from __future__ import annotations

from datetime import UTC, datetime

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import (
    CycleMoved,
    PeriodMoved,
    Reply,
    Scripts,
    moved,
)
from meterdeck.core.errors import BadInput, Conflict, NotFound, ReadOnly, Refused
from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    AdjustKind,
    Adjustment,
    AuditEntry,
    Override,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_id, check_tenant, name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import LARGEST, group_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceName, TenantId
from meterdeck.core.services.audit import AuditTrail, BrokenChain
from meterdeck.core.services.current_periods import CurrentPeriods
from meterdeck.core.services.override_list import OverrideList, read_override

OPERATION_KEPT_S = 86_400
"""Seconds for which a repeated operation id gets the first answer."""

_LONGEST_REASON = 500
_LONGEST_ACTOR = 200
_ROUNDS = 4
_DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STRIPE_WINDOW_DAYS = 35  # a billing record outlives what Stripe can still be told


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

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._layout = context.redis.layout
        self._scripts = Scripts(redis)
        self._periods = CurrentPeriods(redis, context)
        self._trail = AuditTrail(redis, context)
        self._overrides = OverrideList(redis, context)

    async def adjust(
        self, adjustment: Adjustment, *, actor: Actor, operation_id: str
    ) -> Adjusted:
        """Change a counter in its current period; its expiry stays.

        Raises:
            Conflict: The counter is not what the operator saw.
            Refused: The counter would fall below 0 or pass 2^53.
        """
        tenant = self._check(adjustment.tenant, adjustment.reason, operation_id)
        resource = self._context.resource(adjustment.resource)
        _check_amount(adjustment)
        await self._index(tenant)
        for _ in range(_ROUNDS):
            reckoning = await self._periods.of(tenant, [resource])
            period = reckoning.periods[resource.name]
            reply = await self._scripts.adjust(
                self._adjust_keys(tenant, resource, period, operation_id),
                [
                    *self._head(),
                    *_wish(adjustment),
                    *self._period_arguments(period),
                    reckoning.cycle,
                    name_bytes(tenant),
                    resource.name,
                    period.label,
                    *_signature(actor, adjustment.reason, operation_id),
                ],
                operation_id,
            )
            match moved(reply):
                case PeriodMoved(now):
                    self._periods.learn(now)
                case CycleMoved():
                    self._periods.forget_cycle(tenant)
                case None:
                    return _adjusted(reply, adjustment, resource)
        raise Refused("the billing period keeps changing; nothing was changed")

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
        await self._index(who, overridden=True)
        reply = await self._scripts.set_override(
            [
                *self._override_keys(who, name, operation_id),
                *self._indexes(overridden=True),
            ],
            [
                *self._head(),
                "unlimited" if units is None else units,
                "" if expires_at is None else to_milliseconds(expires_at),
                _in_words(expires_at),
                name_bytes(who),
                name,
                *_signature(actor, reason, operation_id),
            ],
            operation_id,
        )
        _check_not_past(reply, expires_at)
        created = from_milliseconds(int(reply[3]))
        return Override(who, name, units, actor.name, reason, created, expires_at)

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
        await self._index(who)
        reply = await self._scripts.clear_override(
            [*self._override_keys(who, name, operation_id), *self._indexes()],
            [
                *self._head(),
                name_bytes(who),
                name,
                *_signature(actor, reason, operation_id),
            ],
            operation_id,
        )
        if reply[0] == b"none":
            raise NotFound(f"{visible(who)} has no override of {name}")
        return _removed(who, name, reply)

    async def overrides(self, tenant: str | None = None) -> tuple[Override, ...]:
        """Return the overrides in force, of one tenant or of all.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._overrides.read(tenant)

    async def audit(
        self, tenant: str | None = None, *, limit: int = 100
    ) -> tuple[AuditEntry, ...]:
        """Return up to `limit` audit entries of one tenant or of all, newest first.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._trail.latest(tenant, limit=limit)

    async def verify_audit(self, tenant: str) -> BrokenChain | None:
        """Check a tenant's whole trail; None where nobody changed it.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._trail.verify(tenant)

    def _check(self, tenant: str, reason: str, operation_id: str) -> TenantId:
        if self._context.read_only:
            raise ReadOnly(
                f"context {self._context.name} is read-only; nothing was changed"
            )
        if not reason.strip():
            raise BadInput("a change needs a reason; say why in a few words")
        if len(reason) > _LONGEST_REASON:
            raise BadInput(
                f"the reason has {len(reason)} characters;"
                f" at most {_LONGEST_REASON} are kept"
            )
        check_id("operation id", operation_id)
        return check_tenant(tenant, tagged=self._layout.tagged)

    def _check_expiry(self, expires_at: datetime | None) -> None:
        if expires_at is None and self._context.override_needs_expiry:
            raise BadInput(
                f"overrides in context {self._context.name} need an expiry;"
                " say when this one ends"
            )
        if expires_at is not None and expires_at.tzinfo is None:
            raise BadInput("the override's expiry has no time zone; give one")

    def _head(self) -> list[Argument]:
        return [0 if self._layout.tagged else 1, OPERATION_KEPT_S]

    def _adjust_keys(
        self, tenant: TenantId, resource: Resource, period: Period, operation_id: str
    ) -> list[bytes]:
        layout = self._layout
        return [
            layout.counter(tenant, resource.name, period.label),
            layout.billing(tenant, resource.name, period.label),
            layout.audit(tenant),
            layout.operation(tenant, operation_id),
            layout.tenant(tenant),
            *self._indexes(),
        ]

    def _override_keys(
        self, tenant: TenantId, resource: str, operation_id: str
    ) -> list[bytes]:
        layout = self._layout
        return [
            layout.override(tenant, resource),
            layout.overrides(tenant),
            layout.audit(tenant),
            layout.operation(tenant, operation_id),
        ]

    def _indexes(self, *, overridden: bool = False) -> list[bytes]:
        layout = self._layout
        if layout.tagged:
            return []
        keys = [layout.overridden()] if overridden else []
        return [*keys, layout.audited(), layout.sequence(), layout.changed()]

    async def _index(self, tenant: TenantId, *, overridden: bool = False) -> None:
        # In a cluster the script cannot reach these keys. Before it, so that a crash
        # in between leaves an index that names too many tenants, never too few.
        if not self._layout.tagged:
            return
        name = name_bytes(tenant)
        at = to_milliseconds(await self._periods.now())
        with redis_errors():
            if overridden:
                await self._redis.sadd(self._layout.overridden(), name)
            await self._redis.zadd(self._layout.audited(), {name: at})

    def _period_arguments(self, period: Period) -> list[Argument]:
        end = to_milliseconds(period.end)
        counter_ends = end + self._context.redis.retention_days * _DAY_MS
        return [
            to_milliseconds(period.start),
            end,
            counter_ends,
            counter_ends + _STRIPE_WINDOW_DAYS * _DAY_MS,
        ]


def _signature(actor: Actor, reason: str, operation_id: str) -> list[Argument]:
    return [
        name_bytes(actor.name[:_LONGEST_ACTOR]),
        name_bytes(actor.origin[:_LONGEST_ACTOR]),
        name_bytes(reason),
        operation_id,
    ]


def _check_amount(adjustment: Adjustment) -> None:
    if adjustment.kind is AdjustKind.RESET:
        return
    if type(adjustment.amount) is not int or not 0 <= adjustment.amount <= LARGEST:
        raise BadInput(
            f"{adjustment.amount!r} is not an amount;"
            f" it is a whole number from 0 to {LARGEST:,}"
        )


def _wish(adjustment: Adjustment) -> list[Argument]:
    return [
        adjustment.kind,
        0 if adjustment.kind is AdjustKind.RESET else adjustment.amount,
        "" if adjustment.expected is None else adjustment.expected,
        adjustment.bill,
    ]


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
            f"{_in_words(expires_at)} is in the past for the Redis server,"
            f" where it is {_in_words(from_milliseconds(int(reply[1])))};"
            " an override ends later than now"
        )


def _in_words(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
