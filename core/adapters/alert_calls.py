"""Alerts in Redis: read by the tenant, changed by one script, found by indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from meterdeck.core.adapters.alert_fields import (
    ALERT,
    DELIVERY,
    read_alert,
    read_delivery,
    write_alert,
    write_delivery,
)
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    execute_write,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.alert_delivery import AlertDelivery, next_in_turn
from meterdeck.core.model.alerts import Alert
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.usage import TenantId

WRITE_ALERTS = ("checks", "write_alerts")

_CHUNK = 500
_ENDLESS_KEPT = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class AlertBook:
    """A tenant's alerts, by their slots' fields, and their deliveries."""

    tenant: TenantId
    alerts: Mapping[str, Alert]
    deliveries: tuple[AlertDelivery, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A field's change: from a version to what it holds then; None removes it."""

    field: str
    version: int
    after: Alert | AlertDelivery | None


def entry_of(before: Alert | None, after: Alert) -> Entry:
    """Return the change of an alert."""
    version = before.version if before else 0
    return Entry(ALERT + after.slot.field, version, after)


def delivery_entry(before: AlertDelivery | None, after: AlertDelivery) -> Entry:
    """Return the change of a delivery."""
    version = before.version if before else 0
    return Entry(DELIVERY + after.id, version, after)


class AlertCalls:
    """Reads and changes alerts of one context; every call may be repeated.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome: the change is done whole or not at all, and repeating it is safe, as
    each entry names the version it changes.
    """

    def __init__(self, redis: Redis, layout: KeyLayout, retention_days: int) -> None:
        self._redis = redis
        self._layout = layout
        self._retention = timedelta(days=retention_days)
        self._write = Script(*WRITE_ALERTS)

    # -- reading -------------------------------------------------------------------

    async def books(self, tenants: Sequence[TenantId]) -> list[AlertBook]:
        """Return the tenants' alerts, in their order; a round trip for 500 of them."""
        found: list[AlertBook] = []
        for start in range(0, len(tenants), _CHUNK):
            some = tenants[start : start + _CHUNK]
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant in some:
                    pipe.hgetall(self._layout.alerts(tenant))
                with redis_errors():
                    replies = await pipe.execute(raise_on_error=False)
            found += map(_book, some, replies)
        return found

    async def alerting(self, most: int) -> tuple[list[TenantId], int]:
        """Return tenants with an alert that is not over, and how many there are.

        Those that changed last come first. Some may have none any more.
        """
        return await self._newest(self._layout.alerting(), most)

    async def alerted(self, most: int) -> tuple[list[TenantId], int]:
        """Return the tenants whose alerts changed last, and how many there are."""
        return await self._newest(self._layout.alerted(), most)

    async def _newest(self, key: bytes, most: int) -> tuple[list[TenantId], int]:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrevrange(key, 0, most - 1)
            pipe.zcard(key)
            with redis_errors():
                names, count = await pipe.execute()
        return [TenantId(name_text(name)) for name in names], count

    async def due(self, now: datetime, most: int) -> list[TenantId]:
        """Return tenants with a delivery that is to be tried by now."""
        with redis_errors():
            names = await self._redis.zrangebyscore(
                self._layout.alert_due(), "-inf", to_milliseconds(now), 0, most
            )
        return [TenantId(name_text(name)) for name in cast("list[bytes]", names)]

    # -- writing -------------------------------------------------------------------

    async def write(
        self, tenant: TenantId, entries: Sequence[Entry], now: datetime
    ) -> bool:
        """Make all these changes, or none; False where somebody else came first.

        The tenant's alerts are kept until the retention after their last period ends.
        """
        layout, indexed = self._layout, not self._layout.tagged
        keys = [layout.alerts(tenant)]
        if indexed:
            keys += [layout.alerting(), layout.alerted(), layout.alert_due()]
        else:
            await self._index(tenant, now)
        arguments: list[Argument] = [
            1 if indexed else 0,
            name_bytes(tenant),
            to_milliseconds(now),
            to_milliseconds(self._kept_until(entries, now)),
        ]
        for entry in entries:
            arguments += [name_bytes(entry.field), entry.version, _text(entry.after)]
        reply = await self._write.run(
            self._redis, keys, arguments, what="the change of an alert", operation_id=""
        )
        if reply[0] == b"conflict":
            return False
        if not indexed:
            with suppress(MeterdeckError):  # it is in the index; the worker mends it
                await self._due_again(tenant, reply[3])
        return True

    def _kept_until(self, entries: Iterable[Entry], now: datetime) -> datetime:
        moments = [now + self._retention]
        for entry in entries:
            if not isinstance(entry.after, Alert):
                continue
            ends = entry.after.period_end_ms
            if ends is None:
                moments.append(now + _ENDLESS_KEPT)
            else:
                end = now + timedelta(milliseconds=ends - to_milliseconds(now))
                moments.append(end + self._retention)
        return max(moments)

    # -- the indexes ---------------------------------------------------------------

    async def _index(self, tenant: TenantId, now: datetime) -> None:
        """Name the tenant in the indexes, which a cluster's script cannot reach.

        Before the script, so that a crash in between leaves an index that names too
        many tenants, never too few.
        """
        at, layout = to_milliseconds(now), self._layout
        for key in (layout.alerting(), layout.alerted(), layout.alert_due()):
            await self._zadd(key, tenant, at)

    async def _due_again(self, tenant: TenantId, due: bytes) -> None:
        key = self._layout.alert_due()
        if due:
            await self._zadd(key, tenant, int(due))
        else:
            await self._remove(key, tenant)

    async def mend(self, tenant: TenantId, now: datetime) -> None:
        """Make the indexes say what the tenant's alerts are.

        Needed where the alerts expired, and where keys are tagged.
        """
        layout = self._layout
        (book,) = await self.books([tenant])
        live = any(each.live for each in book.alerts.values())
        if not live:
            await self._remove(layout.alerting(), tenant)
        if not (book.alerts or book.deliveries):
            await self._remove(layout.alerted(), tenant)
        waiting = [each.next_at for each in next_in_turn(book.deliveries)]
        if waiting:
            await self._zadd(layout.alert_due(), tenant, to_milliseconds(min(waiting)))
        else:
            await self._remove(layout.alert_due(), tenant)
        # Somebody may have written between the look and the removal.
        (again,) = await self.books([tenant])
        if again != book:
            await self._index(tenant, now)

    async def forget_old(self, now: datetime) -> None:
        """Take out of the history who has had no alert for twice the retention."""
        before = to_milliseconds(now - 2 * self._retention - _ENDLESS_KEPT)
        await execute_write(
            self._redis,
            *("ZREMRANGEBYSCORE", self._layout.alerted(), "-inf", before),
            what="forgetting old alerts",
            operation_id="",
        )

    async def _zadd(self, key: bytes, tenant: TenantId, score: int) -> None:
        await execute_write(
            self._redis,
            *("ZADD", key, score, name_bytes(tenant)),
            what="the index of alerts",
            operation_id="",
        )

    async def _remove(self, key: bytes, tenant: TenantId) -> None:
        await execute_write(
            self._redis,
            *("ZREM", key, name_bytes(tenant)),
            what="the index of alerts",
            operation_id="",
        )


def _text(after: Alert | AlertDelivery | None) -> bytes:
    if after is None:
        return b""
    return write_alert(after) if isinstance(after, Alert) else write_delivery(after)


def _book(tenant: TenantId, reply: object) -> AlertBook:
    if isinstance(reply, Exception):
        if "WRONGTYPE" not in str(reply):
            with redis_errors():
                raise reply
        return AlertBook(tenant, {}, ())  # something else's: writing says so
    alerts, deliveries = {}, []
    for field, raw in cast("dict[bytes, Any]", reply).items():
        name = name_text(field)
        if name.startswith(ALERT):
            alert = read_alert(tenant, raw)
            if alert is not None and ALERT + alert.slot.field == name:
                alerts[alert.slot.field] = alert
        elif name.startswith(DELIVERY):
            delivery = read_delivery(raw)
            if delivery is not None and DELIVERY + delivery.id == name:
                deliveries.append(delivery)
    deliveries.sort(key=lambda each: (each.created_at, each.id))
    return AlertBook(tenant, alerts, tuple(deliveries))
