"""Watches what is not yet at Stripe, by what the workers say of themselves."""

from __future__ import annotations

import asyncio

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import RedisRefused, RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.services.sending import read_sending
from meterdeck.core.services.watch_report import WatchReport

LOOK_S = 5.0
"""Seconds between two looks, two short round trips each."""
_WAITING_S = 1.0  # for a worker, where there is none


class SendingWatch:
    """Reports it for as long as it runs; of a context without Stripe there is none."""

    def __init__(self, redis: Redis, context: Context, report: WatchReport) -> None:
        self._redis = redis
        self._context = context
        self._report = report

    async def run(self) -> None:
        """Look every few seconds; while Redis cannot be asked nothing is known."""
        layout = self._context.redis.layout
        while self._context.stripe is not None:
            try:
                self._report.sending = await read_sending(self._redis, layout)
            except (RedisUnreachable, RedisRefused):
                self._report.sending = None  # the rounds say why
            sending = self._report.sending
            waits = sending is not None and not sending.workers
            await asyncio.sleep(_WAITING_S if waits else LOOK_S)
        await asyncio.Event().wait()  # like the others, until it is cancelled
