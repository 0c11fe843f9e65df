"""The scripts of operator changes, called with one context's keys and periods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import (
    CycleMoved,
    PeriodMoved,
    Reply,
    Scripts,
    moved,
)
from meterdeck.core.errors import BadInput, MeterdeckError, Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_id, name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Resource, ResourceName, TenantId
from meterdeck.core.services.current_periods import CurrentPeriods

OPERATION_KEPT_S = 86_400
"""Seconds for which a repeated operation id gets the first answer."""

_LONGEST_ACTOR = 200
_LONGEST_REASON = 500
_ROUNDS = 4
_DAY_MS = 86_400_000
_STRIPE_WINDOW_DAYS = 35  # a billing record outlives what Stripe can still be told


@dataclass(frozen=True, slots=True)
class Signature:
    """What every change is signed with; `undoes` is the entry it takes back, if any."""

    actor: Actor
    reason: str
    operation_id: str
    undoes: str = ""

    def arguments(self) -> list[Argument]:
        """Return it as the scripts take it."""
        return [
            name_bytes(self.actor.name[:_LONGEST_ACTOR]),
            name_bytes(self.actor.origin[:_LONGEST_ACTOR]),
            name_bytes(self.reason),
            self.operation_id,
            self.undoes,
        ]

    def is_of(self, entry: AuditEntry) -> bool:
        """Tell whether an entry is of the same person, and for the same reason."""
        name = self.actor.name[:_LONGEST_ACTOR]
        return (entry.actor, entry.reason) == (name, self.reason)

    def naming(self, what: str) -> str:
        """Return what is being done, in words."""
        return f"the undo of entry {self.undoes}" if self.undoes else what


def check_change(context: Context, reason: str, operation_id: str) -> None:
    """Look at what every change has in common, before anything is asked of a server.

    Raises:
        ReadOnly: The context allows no changes.
        BadInput: It says no reason, or too many words of it; or the id is none.
    """
    context.check_writable()
    if not reason.strip():
        raise BadInput("a change needs a reason; say why in a few words")
    if len(reason) > _LONGEST_REASON:
        raise BadInput(
            f"the reason has {len(reason)} characters;"
            f" at most {_LONGEST_REASON} are kept"
        )
    check_id("operation id", operation_id)


class ChangeCalls:
    """Calls the scripts and returns their replies, each at most once an operation id.

    Every method raises `BadInput`, `BrokenCounter` and `Refused` for what the scripts'
    common replies say, `RedisUnreachable` and `RedisRefused` where nothing was changed,
    and `UnknownOutcome`.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout
        self._retention_days = context.redis.retention_days
        self._scripts = Scripts(redis)
        self._periods = CurrentPeriods(redis, context)

    async def period(self, tenant: TenantId, resource: Resource) -> Period:
        """Return the current period of a counter."""
        reckoning = await self._periods.of(tenant, [resource])
        return reckoning.periods[resource.name]

    async def look_again(self, tenant: TenantId) -> None:
        """Ask the server for its time and the tenant's billing cycle before guessing.

        What is known may be late: a host that slept, a cycle that was just changed.
        """
        self._periods.learn(await server_time(self._redis))
        self._periods.forget_cycle(tenant)

    async def now(self) -> datetime:
        """Return the server's time, as far as it is known."""
        return await self._periods.now()

    def learn(self, moment: datetime) -> None:
        """Take `moment`, which the server has just told, for its time."""
        self._periods.learn(moment)

    async def adjust(
        self,
        wish: Adjustment,
        resource: Resource,
        signature: Signature,
        *,
        only_period: str = "",
    ) -> Reply | None:
        """Change a counter in its current period; None if that is not `only_period`."""
        async with self._indexed(wish.tenant):
            for _ in range(_ROUNDS):
                reckoning = await self._periods.of(wish.tenant, [resource])
                period = reckoning.periods[resource.name]
                if only_period not in ("", period.label):
                    return None
                reply = await self._scripts.adjust(
                    self._adjust_keys(wish.tenant, resource, period, signature),
                    [
                        *self._head(),
                        *_wish(wish),
                        *self._period_arguments(period),
                        reckoning.cycle,
                        name_bytes(wish.tenant),
                        resource.name,
                        period.label,
                        *signature.arguments(),
                    ],
                    signature.operation_id,
                    what=signature.naming("the adjustment"),
                )
                match moved(reply):
                    case PeriodMoved(now):
                        self._periods.learn(now)
                    case CycleMoved():
                        self._periods.forget_cycle(wish.tenant)
                    case None:
                        return reply
        raise Refused("the billing period keeps changing; nothing was changed")

    async def set_override(
        self,
        tenant: TenantId,
        resource: ResourceName,
        units: int | None,
        expires_at: datetime | None,
        signature: Signature,
        *,
        expected: str = "",
    ) -> Reply:
        """Set an override; `expected` is the one there now, as the trail writes it."""
        async with self._indexed(tenant, overridden=True):
            return await self._scripts.set_override(
                [
                    *self._override_keys(tenant, resource, signature),
                    *self._indexes(overridden=True),
                ],
                [
                    *self._head(),
                    "unlimited" if units is None else units,
                    "" if expires_at is None else to_milliseconds(expires_at),
                    in_words(expires_at),
                    name_bytes(tenant),
                    resource,
                    *signature.arguments(),
                    expected,
                ],
                signature.operation_id,
                what=signature.naming("the override"),
            )

    async def clear_override(
        self,
        tenant: TenantId,
        resource: ResourceName,
        signature: Signature,
        *,
        expected: str = "",
    ) -> Reply:
        """Remove an override; `expected` is as in `set_override`."""
        async with self._indexed(tenant):
            return await self._scripts.clear_override(
                [*self._override_keys(tenant, resource, signature), *self._indexes()],
                [
                    *self._head(),
                    name_bytes(tenant),
                    resource,
                    *signature.arguments(),
                    expected,
                ],
                signature.operation_id,
                what=signature.naming("the override's removal"),
            )

    def _head(self) -> list[Argument]:
        return [0 if self._layout.tagged else 1, OPERATION_KEPT_S]

    def _adjust_keys(
        self,
        tenant: TenantId,
        resource: Resource,
        period: Period,
        signature: Signature,
    ) -> Sequence[bytes]:
        layout = self._layout
        return [
            layout.counter(tenant, resource.name, period.label),
            layout.billing(tenant, resource.name, period.label),
            layout.audit(tenant),
            layout.operation(tenant, signature.operation_id),
            layout.tenant(tenant),
            layout.undone(tenant),
            layout.reserved(tenant, resource.name, period.label),
            *self._indexes(),
        ]

    def _override_keys(
        self, tenant: TenantId, resource: ResourceName, signature: Signature
    ) -> Sequence[bytes]:
        layout = self._layout
        return [
            layout.override(tenant, resource),
            layout.overrides(tenant),
            layout.audit(tenant),
            layout.operation(tenant, signature.operation_id),
            layout.undone(tenant),
        ]

    def _indexes(self, *, overridden: bool = False) -> Sequence[bytes]:
        layout = self._layout
        if layout.tagged:
            return []
        keys = [layout.overridden()] if overridden else []
        return [*keys, layout.audited(), layout.sequence(), layout.changed()]

    @asynccontextmanager
    async def _indexed(
        self, tenant: TenantId, *, overridden: bool = False
    ) -> AsyncIterator[None]:
        """Have the change within in the indexes, which a cluster's script cannot reach.

        Before it, so that a crash in between leaves an index that names too many
        tenants, never too few. And after it: the script may have waited for long, and
        what was written before it may be lost with a master.
        """
        if not self._layout.tagged:
            yield
            return
        await self._index(tenant, overridden=overridden)
        yield
        with suppress(MeterdeckError):  # the change is made, and was in the index
            await self._index(tenant, overridden=overridden)

    async def _index(self, tenant: TenantId, *, overridden: bool) -> None:
        name = name_bytes(tenant)
        at = to_milliseconds(await self._periods.now())
        with redis_errors():
            if overridden:
                await self._redis.sadd(self._layout.overridden(), name)
            await self._redis.zadd(self._layout.audited(), {name: at}, gt=True)

    def _period_arguments(self, period: Period) -> list[Argument]:
        end = to_milliseconds(period.end)
        counter_ends = end + self._retention_days * _DAY_MS
        return [
            to_milliseconds(period.start),
            end,
            counter_ends,
            counter_ends + _STRIPE_WINDOW_DAYS * _DAY_MS,
        ]


def in_words(moment: datetime | None) -> str:
    """Write a moment as the trail does, to the millisecond; empty for never."""
    if moment is None:
        return ""
    at = moment.astimezone(UTC)
    precision = "milliseconds" if at.microsecond >= 1000 else "seconds"
    return at.isoformat(timespec=precision).replace("+00:00", "Z")


def _wish(adjustment: Adjustment) -> list[Argument]:
    return [
        adjustment.kind,
        0 if adjustment.kind is AdjustKind.RESET else adjustment.amount,
        "" if adjustment.expected is None else adjustment.expected,
        adjustment.bill,
    ]
