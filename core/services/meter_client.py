"""The asynchronous client: every call is answered within a deadline."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.decisions import Decision, RefusalRecord, Settled
from meterdeck.core.model.degraded import Degraded, MeterStatus
from meterdeck.core.model.usage import OnFault, Usage
from meterdeck.core.services.circuit import Circuit
from meterdeck.core.services.fallback import Call, Fallback, Fault
from meterdeck.core.services.guarded import Guarded
from meterdeck.core.services.recovery import Recovery
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.spooling import Spool
from meterdeck.core.services.usage import UsageService
from meterdeck.core.settings import load_context, spool_directory

_BESIDE = 4  # connections for probing and replaying, apart from those of the calls


class MeterClient:
    """Counts usage for an application; from `open`, with `async with`.

    Belongs to one event loop of one process: open it after a fork, not before.
    """

    def __init__(
        self, context: Context, redis: Redis, beside: Redis, spool: Spool | None
    ) -> None:
        library = context.library
        self._usage = UsageService(redis, context)
        self._circuit = Circuit(
            failures=library.circuit_failures, pause_s=library.circuit_pause_s
        )
        self._guarded = Guarded(self._circuit, library.call_timeout_s)
        self._spool = spool
        clock = ServerClock()
        self._fallback = Fallback(context, clock, spool)
        self._recovery = Recovery(beside, context, self._circuit, clock, spool)
        self._process = os.getpid()
        self._closing = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, context: str | Context | None = None, *, config: Path | None = None
    ) -> AsyncIterator[Self]:
        """Open a client on a context: its name, or one that is loaded already.

        No server is asked: one that is away shows when the client is used. Leaving
        waits for the calls under way; what is spooled stays on disk for the next.

        Args:
            context: As in `load_context`, but that Stripe's key is not fetched.
            config: The configuration file, where it is not in its usual place.

        Raises:
            ConfigError: The configuration is wrong, or the spool's directory cannot
                be used.
        """
        if not isinstance(context, Context):
            context = await asyncio.to_thread(
                load_context, config=config, context=context, with_stripe=False
            )
        async with AsyncExitStack() as stack:
            redis = open_redis(_hurried(context))
            stack.push_async_callback(redis.aclose)
            beside = open_redis(context.redis, connections=_BESIDE)
            stack.push_async_callback(beside.aclose)
            spool = await _open_spool(context)
            if spool is not None:
                stack.push_async_callback(spool.close)
            meter = cls(context, redis, beside, spool)
            recovery = asyncio.create_task(meter._recovery.run())
            stack.push_async_callback(_end, recovery)
            stack.push_async_callback(meter._drain)
            yield meter

    async def consume(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Check every limit and count: all of `amounts`, or nothing.

        A `Decision` was made by Redis. A `Degraded` was made without it, as the
        resources' `on_fault` says: refused; or, where every resource of the call
        fails open, allowed, with the usage on local disk until it is counted, once.
        Both have `allowed` and `call_id`.

        With a `call_id`, repeating the call within ten minutes counts nothing more.

        Args:
            amounts: Resource → units, 1 to 2^53 each, at most 64 resources.
            limits: Resource → units a period, where nothing else gives a limit. No
                limit is checked where Redis does not answer.

        Raises:
            BadInput, NotFound: An argument is wrong.
            BrokenCounter: A counter or limit holds no whole number; nothing counted.
            Refused: It would pass 2^53, or the id was used for another call.
            ReadOnly: The context allows no changes.
        """
        call = Call(tenant, amounts, self._id_for(amounts, call_id), limits)
        return await self._count(
            call,
            lambda: self._usage.consume(
                tenant, amounts, call_id=call.call_id, limits=limits
            ),
        )

    async def release(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled:
        """Give back what a call took, once, and never more than that.

        A lost answer is asked for once more within the deadline. Repeating the same
        release later gives the first answer; the call's id is known for ten minutes.

        Args:
            amounts: Units to give back, at most those the call took; a resource that
                is not named keeps all. None gives all back.

        Raises:
            NotFound: Nothing is known of the id, or the call was refused.
            Refused: It was settled before, otherwise.
            BadInput, ReadOnly, BrokenCounter: As `consume`.
            RedisUnreachable, RedisRefused: Nothing was given back.
            UnknownOutcome: Given back or not, nobody knows: repeat it.
        """
        with self._use():
            answer = await self._guarded.ask(
                lambda: self._usage.release(tenant, call_id, amounts)
            )
            if isinstance(answer, Fault):
                raise answer.error("the release", call_id)
            return answer

    async def peek(self, tenant: str) -> tuple[Usage, ...]:
        """Return what is used and left, without taking any of it.

        Usage that is still spooled is not in it.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        with self._use():
            return await self._guarded.read(lambda: self._usage.peek(tenant))

    async def usage(self, tenant: str) -> tuple[Usage, ...]:
        """Return the same as `peek`: each resource's usage in its current period."""
        return await self.peek(tenant)

    async def refusals(
        self, tenant: str, *, limit: int = 100
    ) -> tuple[RefusalRecord, ...]:
        """Return a tenant's latest refusals by a limit, newest first.

        Args:
            limit: At most so many; about 1,000 are kept.

        Raises:
            BadInput: An argument is wrong.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        with self._use():
            return await self._guarded.read(
                lambda: self._usage.refusals(tenant, limit=limit)
            )

    def status(self) -> MeterStatus:
        """Return the circuit's state, what is spooled, and what was refused."""
        return MeterStatus(
            circuit=self._circuit.status(),
            refused=self._fallback.refused,
            spool=self._spool.status() if self._spool is not None else None,
        )

    def _id_for(self, amounts: Mapping[str, int], call_id: str | None) -> str | None:
        if call_id is None and self._fallback.fails_open(amounts):
            return uuid4().hex  # by which a lost call is counted once
        return call_id

    async def _count(
        self, call: Call, ask: Callable[[], Awaitable[Decision]]
    ) -> Decision | Degraded:
        with self._use():
            answer = await self._guarded.ask(ask)
            if isinstance(answer, Decision):
                return answer
            degraded = await self._fallback.answer(call, answer)
            self._recovery.wake()
            return degraded

    @contextmanager
    def _use(self) -> Iterator[None]:
        if os.getpid() != self._process:
            raise BadInput(
                "this client was opened before the process was forked;"
                " open one in each process"
            )
        if self._closing:
            raise BadInput("this client is closed; open another")
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _drain(self) -> None:
        self._closing = True
        while self._in_flight:
            self._idle.clear()
            await self._idle.wait()


def _hurried(context: Context) -> RedisOptions:
    # Half of the deadline: a lost answer can be asked for again within it, and a
    # connection that was never made is told from a call that was lost.
    most_s = context.library.call_timeout_s / 2
    return replace(context.redis, timeout_s=min(context.redis.timeout_s, most_s))


async def _open_spool(context: Context) -> Spool | None:
    root = spool_directory(context)
    fails_open = any(each.on_fault is OnFault.FAIL_OPEN for each in context.resources)
    # Without such a resource there may still be what was spooled when there was one.
    if not fails_open and not root.is_dir():
        return None
    spool = Spool(root, context.library.spool_bytes)
    await spool.open()
    return spool


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
