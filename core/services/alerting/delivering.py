"""Deliveries of alerts: whatever is due is posted, and again until it is taken.

At least once, always with the same id and body: a worker that dies between the answer
and the note of it leaves a delivery that another repeats.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from meterdeck.core.adapters.alert_calls import AlertBook, AlertCalls, delivery_entry
from meterdeck.core.adapters.webhook_sender import WebhookSender
from meterdeck.core.model.alert_delivery import (
    AlertDelivery,
    DeliveryState,
    delivered,
    failed,
    next_in_turn,
    taken,
)
from meterdeck.core.model.context import AlertOptions
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.sync import journal

_AT_ONCE = 8
_MOST_TENANTS = 200
_LEASE_S = 10.0
"""Seconds beyond the deadline after which a silent worker's attempt is another's."""

_NOWHERE = "no webhook is set"


class AlertDelivering:
    """Tells the context's webhook what is due.

    Args:
        chance: 0 to 1 at random, for the pauses.
    """

    def __init__(
        self,
        calls: AlertCalls,
        options: AlertOptions,
        *,
        now: Callable[[], datetime],
        is_mine: Callable[[TenantId], bool],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._calls = calls
        self._now = now
        self._is_mine = is_mine
        self._chance = chance
        self._give_up = timedelta(hours=options.give_up_h)
        self._lease_s = options.timeout_s + _LEASE_S
        self._sender = (
            WebhookSender(options.webhook, options.timeout_s)
            if options.webhook
            else None
        )

    async def deliver(self) -> None:
        """Try what is due of this worker's tenants, once; wait for the answers.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: What was not noted is tried
                again later.
        """
        tenants = await self._calls.due(self._now(), _MOST_TENANTS)
        mine = [each for each in tenants if self._is_mine(each)]
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            books = await self._calls.books(some)
            await asyncio.gather(*map(self._of_tenant, books))

    async def close(self) -> None:
        """Close the connections to the webhook."""
        if self._sender is not None:
            await self._sender.close()

    async def _of_tenant(self, book: AlertBook) -> None:
        now = self._now()
        due = [each for each in next_in_turn(book.deliveries) if each.next_at <= now]
        if not due:
            await self._calls.mend(book.tenant, now)
        for each in due:
            await self._try(book.tenant, each)

    async def _try(self, tenant: TenantId, delivery: AlertDelivery) -> None:
        claimed = taken(delivery, self._now(), self._lease_s)
        entry = delivery_entry(delivery, claimed)
        if not await self._calls.write(tenant, [entry], self._now()):
            return  # another worker has it, or an operator
        problem = _NOWHERE
        if self._sender is not None:
            problem = await self._sender.send(claimed.id, claimed.body)
        after = self._after(claimed, problem)
        await self._calls.write(tenant, [delivery_entry(claimed, after)], self._now())
        _write_down(after)

    def _after(self, claimed: AlertDelivery, problem: str) -> AlertDelivery:
        if not problem:
            return delivered(claimed)
        return failed(
            claimed,
            problem,
            self._now(),
            give_up=self._give_up,
            chance=self._chance(),
        )


def _write_down(delivery: AlertDelivery) -> None:
    facts = {
        "delivery": delivery.id,
        "attempts": delivery.attempts,
        "reason": delivery.problem,
    }
    match delivery.state:
        case DeliveryState.DELIVERED:
            journal.info("alert_told", delivery=delivery.id, attempts=delivery.attempts)
        case DeliveryState.WAITING:
            journal.warning("alert_not_told_yet", **facts)
        case DeliveryState.UNDELIVERED:
            journal.error("alert_undelivered", **facts)
