"""After the application: count the answers that succeeded."""

from __future__ import annotations

import asyncio

from meterdeck.core.middleware.asgi import App, Message, Receive, Send
from meterdeck.core.middleware.charging import Charging, Settled
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.faults import Faults
from meterdeck.core.middleware.tally import Tally

_DEADLINE_S = 30.0  # nobody waits for it: the answer is out


class Recorder:
    """Counts an answer once its start is sent, beside the rest of the answer."""

    def __init__(
        self, charging: Charging, tally: Tally, faults: Faults, *, below: int
    ) -> None:
        self._charging = charging
        self._tally = tally
        self._faults = faults
        self._below = below
        # The loop itself keeps only weak references to tasks.
        self._counting: set[asyncio.Task[None]] = set()

    async def serve(
        self, app: App, exchange: Exchange, receive: Receive, send: Send
    ) -> None:
        """Let the application answer; count at most once, whatever comes after.

        Ends when the count has: a server that waits for its requests before it
        shuts down loses none.
        """
        begun = False
        counting: asyncio.Task[None] | None = None

        async def watching(message: Message) -> None:
            nonlocal begun, counting
            await send(message)
            if begun or message["type"] != "http.response.start":
                return
            begun = True
            if message["status"] < self._below:
                counting = self._begin(exchange.answered(message))

        try:
            await app(exchange.scope, receive, watching)
        finally:
            if counting is not None:
                # A request that is cancelled was answered all the same.
                await asyncio.shield(counting)

    def _begin(self, exchange: Exchange) -> asyncio.Task[None]:
        task = asyncio.create_task(self._record(exchange))
        self._counting.add(task)
        task.add_done_callback(self._counting.discard)
        return task

    async def _record(self, exchange: Exchange) -> None:
        settled = (await self._charging.settle(exchange, _DEADLINE_S)).outcome
        if not isinstance(settled, Settled):
            return
        if settled.decision.allowed:
            self._tally.counted += 1
        else:
            self._tally.over_limit += 1
            self._faults.over_limit(settled.tenant)
