"""The asynchronous client: every call is answered within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self, TypeVar

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.settle_calls import Settling
from meterdeck.core.errors import MeterdeckError, Unreachable
from meterdeck.core.model.amounts import hold_ms
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, Settled
from meterdeck.core.model.degraded import Deferred, Degraded, MeterStatus
from meterdeck.core.services.call_ids import CallIds
from meterdeck.core.services.circuit import Circuit
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.fallback import Call, Fallback, Fault
from meterdeck.core.services.guarded import Guarded
from meterdeck.core.services.held import Held
from meterdeck.core.services.meter_kinds import MeterKinds
from meterdeck.core.services.one_resource_calls import OneResourceCalls
from meterdeck.core.services.opening import end, hurried, open_spool
from meterdeck.core.services.recovery import Recovery
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.settlement import Settlement
from meterdeck.core.services.spooling import Spool
from meterdeck.core.services.usage import UsageService
from meterdeck.core.settings import load_context

_T = TypeVar("_T")
_BESIDE = 4  # connections for probing and replaying, apart from those of the calls


class MeterClient(OneResourceCalls):
    """Counts usage for an application; from `open`, with `async with`.

    Belongs to one event loop of one process: open it after a fork, not before.
    """

    def __init__(
        self, context: Context, redis: Redis, beside: Redis, spool: Spool | None
    ) -> None:
        library = context.library
        self._circuit = Circuit(
            failures=library.circuit_failures, pause_s=library.circuit_pause_s
        )
        door = ContractDoor(beside, context.redis.layout)
        guarded = Guarded(self._circuit, library.call_timeout_s, door)
        super().__init__(context, UsageService(redis, context), guarded)
        self._ids = CallIds()
        self._spool = spool
        clock = ServerClock()
        self._fallback = Fallback(context, clock, spool)
        self._kinds = MeterKinds(
            context, self._usage, self._guarded, self._fallback, clock
        )
        self._settlement = Settlement(context, self._usage, self._guarded, clock, spool)
        self._recovery = Recovery(
            beside, context, self._circuit, clock, spool, door=door
        )

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
            redis = open_redis(hurried(context))
            stack.push_async_callback(redis.aclose)
            beside = open_redis(context.redis, connections=_BESIDE)
            stack.push_async_callback(beside.aclose)
            spool = await open_spool(context)
            if spool is not None:
                stack.push_async_callback(spool.close)
            meter = cls(context, redis, beside, spool)
            recovery = asyncio.create_task(meter._recovery.run())
            stack.push_async_callback(end, recovery)
            stack.push_async_callback(meter._uses.end)
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
        if call_id is not None or self._fallback.fails_open(amounts):
            # By its id a lost call is counted once.
            call = Call(tenant, amounts, call_id or self._ids.next(), limits)
            return await self._consume(call)
        # The usual call, without the detours of others: each await costs time.
        with self._uses:
            epoch, guarded = self._guarded.admit(), self._guarded
            if epoch is not None:
                try:
                    sent = self._usage.attempt(tenant, amounts, limits)
                    answer = None if sent is None else await sent
                except Unreachable as error:
                    call = Call(tenant, amounts, None, limits)
                    return await self._answer(call, guarded.lost(error, epoch))
                if answer is not None:
                    guarded.answered(epoch)
                    decision = self._usage.decided(answer, tenant)
                    if decision is not None:
                        return decision
        return await self._consume(Call(tenant, amounts, None, limits))

    async def reserve(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        ttl: timedelta,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Decision | Degraded:
        """Count as `consume` does, until the call is confirmed, released, or expires.

        The answer's `call_id` names the reservation. When `ttl` is over, by the
        server's clock, its units are given back.

        Without Redis it is answered as `consume`: refused, and if the answer was lost
        what was perhaps reserved gives itself back; or, where every resource fails
        open, allowed, and counted as used. The latter does not give itself back: it
        waits for `confirm` or `release`, with the same id, whenever they come.

        Args:
            ttl: 1 second to 24 hours.

        Raises:
            As `consume`; BadInput also where `ttl` is too short or too long.
        """
        hold_ms(ttl)
        call = Call(tenant, amounts, call_id or self._ids.next(), limits, held=True)
        return await self._count(
            call,
            lambda: self._usage.reserve(
                tenant, amounts, ttl=ttl, call_id=call.call_id, limits=limits
            ),
        )

    @asynccontextmanager
    async def reserved(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        *,
        ttl: timedelta,
        call_id: str | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> AsyncIterator[Held]:
        """Reserve for a block: confirmed when it ends, released when it raises.

        Look at `allowed` first: where it is false nothing is held and nothing happens
        at the end. `keep` says what was really used. A release that fails changes
        nothing of the block's own error, which gets a note: the units are given back
        when `ttl` is over.

        Raises:
            As `reserve`, when it begins, and as `confirm`, when it ends: NotFound if
            the block took longer than `ttl`, UnknownOutcome if the work is done and
            nobody knows whether it stays counted.
        """
        held = Held(
            await self.reserve(tenant, amounts, ttl=ttl, call_id=call_id, limits=limits)
        )
        try:
            yield held
        except BaseException as error:
            await self._let_go(tenant, held, error)
            raise
        if held.allowed:
            await self.confirm(tenant, held.call_id, held.used)

    async def confirm(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled | Deferred:
        """Make a reservation final, once; repeating it gives the first answer.

        Without Redis as `release`. A confirmation on local disk that is told only
        after the reservation's time is over comes too late, as any: it is put aside
        for an operator.

        Args:
            amounts: Units that were really used, at most those reserved; the rest is
                given back. A resource that is not named keeps all of it.

        Raises:
            NotFound: There is no such reservation, or it has expired.
            Refused: It was settled otherwise, or the call is no reservation.
            BadInput, ReadOnly, BrokenCounter: As `consume`.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `release`.
        """
        return await self._settle(Settling.CONFIRM, tenant, call_id, amounts)

    async def release(
        self, tenant: str, call_id: str, amounts: Mapping[str, int] | None = None
    ) -> Settled | Deferred:
        """Give back what a call or a reservation took, once, and never more than that.

        A lost answer is asked for once more within the deadline. The id is known for
        ten minutes, that of a reservation ten minutes longer than it lasts, and that
        of a call that was counted from local disk for seven days; for that long a
        repeat gets the first answer.

        Where the client has a spool, what Redis cannot be told is kept there, behind
        the call if that still waits there too, and `Deferred` is answered.

        Args:
            amounts: Units to give back, at most those the call took; a resource that
                is not named keeps all. None gives all back.

        Raises:
            NotFound: Nothing is known of the id, the call was refused, or the
                reservation has expired.
            Refused: It was settled before, otherwise.
            BadInput, ReadOnly, BrokenCounter: As `consume`.
            RedisUnreachable, RedisRefused: There is no spool, or it is full; nothing
                was given back.
            UnknownOutcome: Given back or not, nobody knows: repeat it.
        """
        return await self._settle(Settling.RELEASE, tenant, call_id, amounts)

    def status(self) -> MeterStatus:
        """Return the circuit's state, what is spooled, and what was refused."""
        return MeterStatus(
            circuit=self._circuit.status(),
            refused=self._fallback.refused,
            spool=self._spool.status() if self._spool is not None else None,
        )

    async def _settle(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> Settled | Deferred:
        with self._uses:
            answer = await self._settlement.settle(how, tenant, call_id, amounts)
            if isinstance(answer, Deferred):
                self._recovery.wake()
            return answer

    async def _let_go(self, tenant: str, held: Held, error: BaseException) -> None:
        if not held.allowed:
            return
        try:
            await self.release(tenant, held.call_id)
        except MeterdeckError as failed:
            ends = "is given back when its time is over"
            if isinstance(held.answer, Degraded):
                ends = "stays counted until it is released"
            error.add_note(
                f"reservation {held.call_id} was not released: {failed}; it {ends}"
            )

    async def _consume(self, call: Call) -> Decision | Degraded:
        return await self._count(
            call,
            lambda: self._usage.consume(
                call.tenant, call.amounts, call_id=call.call_id, limits=call.limits
            ),
        )

    async def _count(
        self, call: Call, ask: Callable[[], Awaitable[Decision]]
    ) -> Decision | Degraded:
        with self._uses:
            answer = await self._guarded.ask(ask)
            if isinstance(answer, Decision):
                return answer
            return await self._answer(call, answer)

    async def _answer(self, call: Call, fault: Fault) -> Degraded:
        degraded = await self._fallback.answer(call, fault)
        self._recovery.wake()
        return degraded
