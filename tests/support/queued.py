"""Queued events of a tenant: used, given to workers, settled in any way."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.support.contexts import RENDERS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Answer, Attempt, Verdict
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.queued import QueuedEvent, QueuedResult
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.usage import UsageService


class QueuedTenant:
    """Tenant acme's use, and what became of it."""

    def __init__(self, redis: Redis, usage: UsageService, layout: KeyLayout) -> None:
        self.redis = redis
        self._usage = usage
        self._layout = layout

    async def track(
        self, units: int = 1, dimensions: dict[str, str] | None = None
    ) -> None:
        """Count and queue."""
        await self._usage.track("acme", RENDERS, units, dimensions=dimensions)

    async def letters(self) -> dict[str, dict[str, Any]]:
        """Return the letters there are."""
        found = await ask(self.redis, "HGETALL", self._layout.letters("acme"))
        found |= await ask(self.redis, "HGETALL", self._layout.letters("unknown"))
        return {name.decode(): json.loads(text) for name, text in found.items()}

    async def outcomes(self) -> list[str]:
        """Return the outcomes that the delivery log has."""
        lines = await ask(self.redis, "XRANGE", self._layout.events(), "-", "+")
        return [fields[b"outcome"].decode() for _, fields in lines]

    async def left(self) -> list[str]:
        """Return the ids of what is in the queue."""
        entries = await ask(self.redis, "XRANGE", self._layout.queue("acme"), "-", "+")
        return [entry.decode() for entry, _ in entries]


def workers(redis: Redis, context: Context) -> tuple[EventQueue, EventQueue]:
    """Return two workers' queues."""
    return EventQueue(redis, context, "one"), EventQueue(redis, context, "other")


def impatient(context: Context) -> Context:
    """Return the same, whose workers take over at once what is not settled."""
    return replace(context, delivery=replace(context.delivery, takeover_s=0.0))


def results(
    events: Sequence[QueuedEvent], verdict: Verdict, message: str = ""
) -> list[QueuedResult]:
    """Return that these events came to that."""
    answer = {
        Verdict.DELIVERED: Answer.ACCEPTED,
        Verdict.DEAD: Answer.REFUSED,
        Verdict.AMBIGUOUS: Answer.UNKNOWN,
        Verdict.LATER: Answer.BUSY,
    }[verdict]
    attempt = Attempt(answer, datetime.now(UTC), message)
    return [QueuedResult(each, verdict, attempt) for each in events]
