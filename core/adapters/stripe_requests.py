"""Requests to Stripe: opened when first used, read with retries, sent without."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_clock import Clock, StripeClock, wall_clock
from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_transport import (
    CONNECTIONS,
    Answer,
    Json,
    Posted,
    RequestFailed,
    StripeTransport,
)
from meterdeck.core.errors import ReadOnly, StripeRefused, StripeUnreachable
from meterdeck.core.model.context import Mode, StripeOptions, check_addresses
from meterdeck.core.model.health import Trouble

PAGE = 100
_TRIES = 3
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
# Stripe takes 25 requests a second in test mode, so more at once would only queue.
_AT_ONCE = 8
ASKING_POSTS = frozenset({"/v1/invoices/create_preview"})
"""They make nothing, and may be repeated."""
_NOT_DONE = frozenset({FaultKind.NOT_SENT, FaultKind.BUSY})


class StripeRequests:
    """JSON from one Stripe account, and only of the mode that was asked for.

    Reads are tried three times, as far apart as Stripe asks; what is sent once says so.

    Raises:
        ConfigError: It is another address than Stripe's, in live mode.
    """

    def __init__(
        self,
        options: StripeOptions,
        mode: Mode,
        *,
        connections: int = CONNECTIONS,
        clock: Clock = wall_clock,
        reads_only: bool = False,
    ) -> None:
        check_addresses(options, mode)
        self._options = options
        self._mode = mode
        self._connections = connections
        self._reads_only = reads_only
        self.clock = StripeClock(clock)
        """Stripe's clock, as its answers tell it."""
        self._transport: StripeTransport | None = None
        self._opening = asyncio.Lock()
        self._reading = asyncio.Semaphore(_AT_ONCE)
        self.latency_ms: float | None = None
        """Round trip of the last answer in milliseconds, None before the first."""
        self.trouble: Trouble | None = None
        """The last request without a usable answer."""
        self.version = ""
        """Of the API, as the last answer to a read said; empty before the first."""

    async def open(self) -> StripeTransport:
        """Import the SDK, the first time; sends nothing."""
        if self._transport is not None:
            return self._transport
        async with self._opening:
            if self._transport is None:
                self._transport = await StripeTransport.open(
                    self._options, self._connections
                )
            return self._transport

    async def close(self) -> None:
        """Close the connections; a later request would open new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def read(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        method: str = "get",
    ) -> Json:
        """Return what a GET answers, or a POST that changes nothing.

        Raises:
            StripeUnreachable: No answer, after three tries.
            NotFound: Stripe has nothing of that id.
            StripeRefused: Stripe said no, or answered with the other mode's data.
        """
        async with self._reading:
            for failures in range(1, _TRIES + 1):
                try:
                    answer = await self.send(method, path, params or {})
                except RequestFailed as failure:
                    pause_s = _pause_s(failure.fault, failures)
                    if pause_s is None:
                        raise failure.fault.as_error() from failure
                else:
                    return answer.body
                await asyncio.sleep(pause_s)
        raise AssertionError("the last failure raises")

    async def listed(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[Json]:
        """Yield the objects of a list, page by page.

        By hand: the SDK follows the list's own `url`, and that of summaries is
        `/v1/billing/meters/:id/event_summaries`, with the placeholder in it.
        """
        cursor: Json = {}
        while True:
            page = await self.read(path, {**params, **cursor, "limit": PAGE})
            data = read.rows(page)
            for raw in data:
                yield raw
            if not data or page.get("has_more") is not True:
                return
            cursor = {"starting_after": read.object_id(data[-1])}

    async def listed_v2(
        self, path: str, params: Mapping[str, Any]
    ) -> AsyncIterator[Json]:
        """Yield the objects of one of v2's lists, page by page.

        A next page may come without the filters of `params`.

        Raises:
            StripeUnreachable: The next page is said to be elsewhere than `path`.
        """
        page = await self.read(path, {**params, "limit": PAGE})
        while True:
            for raw in read.rows(page):
                yield raw
            following = page.get("next_page_url")
            if not isinstance(following, str) or not following:
                return
            if not following.startswith(f"{path}?"):
                raise StripeUnreachable("Stripe's answer names a next page elsewhere")
            page = await self.read(following)

    async def write(self, path: str, params: Mapping[str, Any], key: str) -> Answer:
        """Send a POST with its Idempotency-Key.

        It is tried again, with the same key, only where it was surely not done: not
        sent, or put off by Stripe; three times in all.

        Raises:
            RequestFailed: No usable answer came.
            StripeRefused: The answer is the other mode's data.
        """
        keyed = {**params, "idempotency_key": key}
        for failures in range(1, _TRIES + 1):
            try:
                return await self.send("post", path, keyed)
            except RequestFailed as failure:
                fault = failure.fault
                pause_s = _pause_s(fault, failures) if fault.kind in _NOT_DONE else None
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last failure raises")

    async def send(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        """Send one request, once.

        Raises:
            ReadOnly: It is one that changes something, and nothing may be changed.
            RequestFailed: No usable answer came.
            StripeRefused: The answer is the other mode's data.
        """
        if method != "get" and path not in ASKING_POSTS:
            self._refuse_write()
        transport = await self.open()
        return await self._timed(transport.request(method, path, params))

    async def post(self, posted: Posted) -> Answer:
        """Send one request that is written already, once.

        Raises:
            ReadOnly: Nothing may be changed.
            RequestFailed: No usable answer came, or the other mode's.
        """
        self._refuse_write()
        transport = await self.open()
        try:
            return await self._timed(transport.post(posted))
        except StripeRefused as other:
            fault = Fault(FaultKind.OTHER_MODE, str(other))
            raise RequestFailed(fault) from other

    def _refuse_write(self) -> None:
        if self._reads_only:
            raise ReadOnly("this context is read-only; nothing was sent to Stripe")

    async def _timed(self, asking: Awaitable[Answer]) -> Answer:
        started = time.perf_counter()
        try:
            answer = await asking
        except RequestFailed as failure:
            if failure.fault.status:
                self._answered(started, failure.fault.date)
            self._failed(failure.fault)
            raise
        self._answered(started, answer.date)
        self.version = answer.version or self.version
        self._check_mode(answer.body)
        return answer

    def _failed(self, fault: Fault) -> None:
        if fault.code == "resource_missing":
            return  # an answer like another: there is none of that id
        self.trouble = Trouble(
            self.clock.own(),
            fault.message,
            status=fault.status,
            code=fault.code,
            request_id=fault.request_id,
        )

    def _answered(self, started: float, date: str) -> None:
        self.clock.learn(date)
        self.latency_ms = (time.perf_counter() - started) * 1000

    def _check_mode(self, body: Json) -> None:
        """Refuse objects of the other mode: they are another world's data."""
        live = self._mode is Mode.LIVE
        for found in (body, *read.rows(body)):
            if found.get("livemode", live) is not live:
                other = "test" if live else "live"
                raise StripeRefused(
                    f"Stripe answered with {other} data in a context whose mode is"
                    f" {self._mode}; nothing of it is used"
                )


def _pause_s(fault: Fault, failures: int) -> float | None:
    """Return how long to wait before the next try; None when there is none."""
    if not fault.passing or failures >= _TRIES:
        return None
    asked = fault.retry_after_s or 0.0
    if asked > _LONGEST_PAUSE_S:
        return None
    spread = random.random()  # noqa: S311  # jitter, no secret
    return asked + spread * _PAUSE_S * 2.0 ** (failures - 1)
