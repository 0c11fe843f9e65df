"""Sends events to the URLs that want them, beside the requests that caused them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING

from meterdeck.core.local_stripe import events, v2_core_events
from meterdeck.core.local_stripe.outbox import Target
from meterdeck.core.local_stripe.push_records import Delivery
from meterdeck.core.local_stripe.running import bring_up_to_date
from meterdeck.core.local_stripe.signing import signature_header
from meterdeck.core.local_stripe.world import World

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger("meterdeck.local_stripe")

# What comes due by the clock alone is looked for this often.
TICK_S = 0.05
# Events of about the same time are collected this long before they are shuffled.
HOLD_S = 0.1
_ANSWER_WITHIN_S = 10.0
_HEADERS = {
    "Accept": "*/*",
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
}


class Pusher:
    """Deliver what is planned until cancelled; one push at a time to each URL."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._outbox = world.outbox
        self._switches = world.pushes
        self._wake = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Deliver; what is on its way when it is cancelled is tried again later."""
        self._outbox.recover()
        self._outbox.on_planned = self._wake.set
        try:
            while True:
                try:
                    bring_up_to_date(self._world)
                    self._world.save()
                except Exception:
                    _log.exception("local stripe failed to move on")
                self._start_due()
                await self._pause()
        finally:
            self._outbox.on_planned = None
            await self._end()

    def _start_due(self) -> None:
        for target_id in self._outbox.due_targets(self._world.now()):
            task = self._sending.get(target_id)
            if task is None or task.done():
                self._sending[target_id] = asyncio.create_task(
                    self._send_due(target_id)
                )

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _end(self) -> None:
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _send_due(self, target_id: str) -> None:
        if self._switches.out_of_order:
            await asyncio.sleep(HOLD_S)
        while True:
            newest = self._switches.out_of_order
            delivery = self._outbox.take(target_id, self._world.now(), newest=newest)
            if delivery is None:
                return
            try:
                await self._deliver(delivery)
            except Exception:
                _log.exception("local stripe failed to push %s", delivery.id)
                self._outbox.failed(delivery, self._world.now())

    async def _deliver(self, delivery: Delivery) -> None:
        target = self._outbox.target_of(delivery)
        body = self._body(delivery)
        if target is None or body is None:
            self._outbox.forget(delivery)
            return
        arrived = await self._sent(target, body)
        now = self._world.now()
        if arrived:
            self._outbox.delivered(delivery, now)
        else:
            self._outbox.failed(delivery, now)
        self._world.save()

    async def _sent(self, target: Target, body: bytes) -> bool:
        """Send as the switches say; tell whether it counts as delivered."""
        switches = self._switches
        if switches.drop_next > 0:
            switches.drop_next -= 1
            return True
        if switches.duplicate_next > 0:
            switches.duplicate_next -= 1
            await self._post(target, body)
        return await self._post(target, body)

    def _body(self, delivery: Delivery) -> bytes | None:
        event = self._world.events.kept.find(delivery.event)
        if event is not None:
            found = events.render(self._world, event)
        else:
            thin = v2_core_events.notification(self._world, delivery.event)
            if thin is None:
                return None
            found = thin
        return json.dumps(found, indent=2, ensure_ascii=False).encode()

    async def _post(self, target: Target, body: bytes) -> bool:
        """Tell whether it was taken: a 2xx in time, redirects are none."""
        # It takes a while to import, and most sandboxes push nothing.
        import aiohttp  # noqa: PLC0415

        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        # Receivers compare it with their own clock, not with the account's.
        signature = signature_header(target.secret, body, int(time.time()))
        headers = {**_HEADERS, "Stripe-Signature": signature}
        try:
            async with self._http.post(
                target.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
