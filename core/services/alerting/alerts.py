"""Alerts as operators have them: seen, acknowledged, snoozed, and tried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from meterdeck.core.adapters.alert_calls import AlertBook, AlertCalls, entry_of
from meterdeck.core.adapters.redis_client import Redis, enter_write, server_time
from meterdeck.core.adapters.webhook_sender import WebhookSender
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.alert_rules import Measure, Severity
from meterdeck.core.model.alert_sight import AlertSight, SeenAlert, in_order
from meterdeck.core.model.alert_words import payload
from meterdeck.core.model.alerts import (
    Alert,
    AlertState,
    Handled,
    Slot,
    Telling,
    acknowledged,
    alert_id,
    snoozed,
)
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.sync.share import read_workers

MOST_LIVE, MOST_RECENT = 500, 200
"""Tenants whose alerts are looked at: all with one that is not over, and the latest."""

_SILENT = timedelta(seconds=30)
_ROUNDS = 3


class Alerts:
    """The alerts of one context.

    Changing one raises ReadOnly or ProgramTooOld where nothing may be changed.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome: repeating it is safe.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        layout = context.redis.layout
        self._workers = layout.workers()
        self._calls = AlertCalls(redis, layout, context.redis.retention_days)

    async def look(self, *, history: bool = False) -> AlertSight:
        """Return the alerts that are not over.

        Args:
            history: Also those that are, of the tenants whose alerts changed last.
        """
        tenants, count = await self._calls.alerting(MOST_LIVE)
        if history:
            recent, _ = await self._calls.alerted(MOST_RECENT)
            tenants = list(dict.fromkeys([*tenants, *recent]))
        books = await self._calls.books(tenants)
        now = await server_time(self._redis)
        workers = await read_workers(self._redis, self._workers)
        watched_at = max((each.at for each in workers), default=None)
        options = self._context.alerts
        found = (each for book in books for each in _seen(book, history=history))
        return AlertSight(
            at=now,
            alerts=in_order(found, now),
            more=count > MOST_LIVE,
            watched_at=watched_at,
            watched=watched_at is not None and now - watched_at <= _SILENT,
            rules=len(options.rules),
            told=options.webhook is not None,
        )

    async def acknowledge(
        self, alert: str, *, actor: Actor, note: str = "", tenant: str | None = None
    ) -> Alert:
        """Say that somebody has seen an alert.

        Args:
            alert: Its id.
            tenant: Whose it is, where that is known.

        Raises:
            NotFound: There is no such alert.
            Refused: It is over, or was acknowledged before.
        """

        def seen(found: Alert, now: datetime) -> Alert:
            return acknowledged(found, Handled(actor.name, actor.origin, now, note))

        return await self._handle(alert, tenant, seen)

    async def snooze(
        self,
        alert: str,
        until: datetime,
        *,
        actor: Actor,
        note: str = "",
        tenant: str | None = None,
    ) -> Alert:
        """Have an alert be quiet until then; it is told again where it still holds.

        Raises:
            NotFound: There is no such alert.
            Refused: It is over.
            BadInput: `until` is past, or in more than 30 days.
        """

        def quiet(found: Alert, now: datetime) -> Alert:
            who = Handled(actor.name, actor.origin, now, note, until)
            return snoozed(found, who)

        return await self._handle(alert, tenant, quiet)

    async def _handle(
        self,
        alert: str,
        tenant: str | None,
        change: Callable[[Alert, datetime], Alert],
    ) -> Alert:
        self._context.check_writable()
        await enter_write(self._redis)
        for _ in range(_ROUNDS):
            found = await self._find(alert, tenant)
            now = await server_time(self._redis)
            after = change(found, now)
            entries = [entry_of(found, after)]
            if await self._calls.write(found.slot.tenant, entries, now):
                return after
        raise Refused(f"{visible(alert)} keeps changing; nothing was changed")

    async def _find(self, alert: str, tenant: str | None) -> Alert:
        if tenant is not None:
            tenants: Sequence[TenantId] = [TenantId(tenant)]
        else:
            live, _ = await self._calls.alerting(MOST_LIVE)
            recent, _ = await self._calls.alerted(MOST_RECENT)
            tenants = list(dict.fromkeys([*live, *recent]))
        for book in await self._calls.books(tenants):
            for each in book.alerts.values():
                if each.id == alert:
                    return each
        raise NotFound(
            f"there is no alert {visible(alert)}; list them with: meterdeck alerts"
        )

    async def test(self, actor: Actor) -> tuple[str, str]:
        """Post a test alert once; return its id and why it was not taken, "" if it was.

        Raises:
            Refused: No webhook is set.
        """
        webhook = self._context.alerts.webhook
        if webhook is None:
            raise Refused(
                f"context {self._context.name} tells nobody of alerts:"
                f" set contexts.{self._context.name}.alerts.webhook_url"
            )
        now = await server_time(self._redis)
        alert = _pretended(actor, now)
        sender = WebhookSender(webhook, self._context.alerts.timeout_s)
        delivery = f"{alert.id}.test.1"
        body = payload(self._context, alert, Telling.TEST, delivery, now)
        try:
            return delivery, await sender.send(delivery, body)
        finally:
            await sender.close()


def _pretended(actor: Actor, now: datetime) -> Alert:
    """Return an alert of nobody; `handled` says who is trying the webhook out."""
    slot = Slot("test", 80, TenantId("test"), "test", "now")
    return Alert(
        slot=slot,
        id=alert_id(slot, 1, now),
        version=1,
        number=1,
        measure=Measure.PERCENT,
        severity=Severity.WARNING,
        state=AlertState.OPEN,
        armed=False,
        opened_at=now,
        changed_at=now,
        tenant_name="Test",
        value=80,
        handled=Handled(actor.name, actor.origin, now),
    )


def _seen(book: AlertBook, *, history: bool) -> Iterable[SeenAlert]:
    for alert in book.alerts.values():
        if alert.live or history:
            own = tuple(each for each in book.deliveries if each.alert == alert.id)
            yield SeenAlert(alert, own)
