"""The client for programs without an event loop: the same, on a thread of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Coroutine, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Self, TypeVar

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import (
    Decision,
    GaugeReading,
    RefusalRecord,
    Settled,
)
from meterdeck.core.model.degraded import Deferred, Degraded, MeterStatus
from meterdeck.core.model.usage import Usage
from meterdeck.core.services.held import Held
from meterdeck.core.services.meter_client import MeterClient

T = TypeVar("T")


class SyncMeterClient:
    """Counts usage for a threaded application; from `open`, with `with`.

    Any number of threads may use it at once; their calls share connections, scripts
    and the spool. Belongs to one process: open it after a fork, not before.
    """

    def __init__(self, meter: MeterClient, loop: asyncio.AbstractEventLoop) -> None:
        self._meter = meter
        self._loop = loop
        self._process = os.getpid()
        self._lock = Lock()
        self._calls: set[Future[Any]] | None = set()

    @classmethod
    @contextmanager
    def open(
        cls, context: str | Context | None = None, *, config: Path | None = None
    ) -> Iterator[Self]:
        """Open a client on a context, as `MeterClient.open` does.

        Leaving waits for the calls under way.

        Raises:
            ConfigError: The configuration is wrong, or the spool's directory cannot
                be used.
        """
        opened: Future[Self] = Future()
        closing = asyncio.Event()

        async def work() -> None:
            loop = asyncio.get_running_loop()
            try:
                async with MeterClient.open(context, config=config) as meter:
                    opened.set_result(cls(meter, loop))
                    await closing.wait()
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        thread = Thread(
            target=asyncio.run, args=[work()], name="meterdeck", daemon=True
        )
        thread.start()
        client = opened.result()
        try:
            yield client
        finally:
            if client._process == os.getpid():  # a forked child has no such thread
                client._drain()
                client._loop.call_soon_threadsafe(closing.set)
                thread.join()

    def consume(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Check every limit and count; `MeterClient.consume` says all of it.

        Raises:
            BadInput, NotFound, BrokenCounter, Refused, ReadOnly: As there.
        """
        return self._run(
            self._meter.consume(tenant, amounts, call_id=call_id, limits=limits)
        )

    def set_gauge(
        self,
        tenant: str,
        resource: str,
        value: int,
        *,
        measured_at: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> GaugeReading | Degraded:
        """Record a gauge's level; `MeterClient.set_gauge` says all of it.

        Raises:
            BadInput, NotFound, BrokenCounter, Refused, ReadOnly: As there.
        """
        return self._run(
            self._meter.set_gauge(
                tenant,
                resource,
                value,
                measured_at=measured_at,
                call_id=call_id,
                limits=limits,
            )
        )

    def count_unique(
        self,
        tenant: str,
        resource: str,
        members: Collection[str | bytes],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count distinct members; `MeterClient.count_unique` says all of it.

        Raises:
            BadInput, NotFound, BrokenCounter, Refused, ReadOnly: As there.
        """
        return self._run(
            self._meter.count_unique(
                tenant, resource, members, call_id=call_id, limits=limits
            )
        )

    def track(
        self,
        tenant: str,
        resource: str,
        units: int = 1,
        *,
        dimensions: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count units and queue their event; `MeterClient.track` says all of it.

        Raises:
            BadInput, NotFound, BrokenCounter, Refused, ReadOnly: As there.
        """
        return self._run(
            self._meter.track(
                tenant,
                resource,
                units,
                dimensions=dimensions,
                timestamp=timestamp,
                call_id=call_id,
                limits=limits,
            )
        )

    def reserve(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        ttl: timedelta,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count until confirmed, released, or expired; as `MeterClient.reserve`.

        Raises:
            BadInput, NotFound, BrokenCounter, Refused, ReadOnly: As there.
        """
        return self._run(
            self._meter.reserve(
                tenant, amounts, ttl=ttl, call_id=call_id, limits=limits
            )
        )

    @contextmanager
    def reserved(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        ttl: timedelta,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Iterator[Held]:
        """Reserve for a block; `MeterClient.reserved` says all of it.

        Raises:
            As there.
        """
        block = self._meter.reserved(
            tenant, amounts, ttl=ttl, call_id=call_id, limits=limits
        )
        held = self._run(block.__aenter__())
        try:
            yield held
        except BaseException as error:
            self._run(block.__aexit__(type(error), error, error.__traceback__))
            raise
        self._run(block.__aexit__(None, None, None))

    def confirm(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled | Deferred:
        """Make a reservation final, once; `MeterClient.confirm` says all of it.

        Raises:
            NotFound, Refused, BadInput, ReadOnly, BrokenCounter: As there.
            RedisUnreachable, RedisRefused, UnknownOutcome: As there.
        """
        return self._run(self._meter.confirm(tenant, call_id, amounts))

    def release(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled | Deferred:
        """Give back what a call took, once; `MeterClient.release` says all of it.

        Raises:
            NotFound, Refused, BadInput, ReadOnly, BrokenCounter: As there.
            RedisUnreachable, RedisRefused, UnknownOutcome: As there.
        """
        return self._run(self._meter.release(tenant, call_id, amounts))

    def peek(self, tenant: str) -> tuple[Usage, ...]:
        """Return what is used and left, without taking any of it.

        Raises:
            BadInput, RedisUnreachable, RedisRefused: As in `MeterClient.peek`.
        """
        return self._run(self._meter.peek(tenant))

    def usage(self, tenant: str) -> tuple[Usage, ...]:
        """Return the same as `peek`."""
        return self._run(self._meter.usage(tenant))

    def refusals(self, tenant: str, *, limit: int = 100) -> tuple[RefusalRecord, ...]:
        """Return a tenant's latest refusals by a limit, newest first.

        Raises:
            BadInput, RedisUnreachable, RedisRefused: As in `MeterClient.refusals`.
        """
        return self._run(self._meter.refusals(tenant, limit=limit))

    def units(self, resource: str, amount: str | int | Decimal) -> int:
        """Return an amount in a resource's smallest unit; as `MeterClient.units`.

        Raises:
            NotFound, BadInput: As there.
        """
        return self._meter.units(resource, amount)

    def amount(self, resource: str, units: int) -> Decimal:
        """Return what units of a resource stand for; as `MeterClient.amount`.

        Raises:
            NotFound, BadInput: As there.
        """
        return self._meter.amount(resource, units)

    def status(self) -> MeterStatus:
        """Return the circuit's state, what is spooled, and what was refused."""

        async def ask() -> MeterStatus:
            return self._meter.status()

        return self._run(ask())

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            future = self._start(call)
        except BaseException:
            call.close()
            raise
        return future.result()

    def _start(self, call: Coroutine[Any, Any, T]) -> Future[T]:
        # Before the lock, which a fork may have copied while it was held.
        if os.getpid() != self._process:
            raise BadInput(
                "this client was opened before the process was forked;"
                " open one in each process"
            )
        with self._lock:
            if self._calls is None:
                raise BadInput("this client is closed; open another")
            future = asyncio.run_coroutine_threadsafe(call, self._loop)
            self._calls.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            if self._calls is not None:
                self._calls.discard(future)

    def _drain(self) -> None:
        with self._lock:
            calls, self._calls = self._calls or set(), None
        wait(calls)
