"""What goes on beside the calls: look for Redis, tell it what it missed, tidy up."""

from __future__ import annotations

import asyncio
import logging
import time
from random import SystemRandom

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import RedisRefused, RedisUnreachable, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.text import visible
from meterdeck.core.services.circuit import Circuit
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.replaying import Replayer
from meterdeck.core.services.reservations import Reservations
from meterdeck.core.services.server_clock import ServerClock
from meterdeck.core.services.spooling import Spool

_log = logging.getLogger(__name__)
_LOOK_S = 30.0
_LEAST_S = 0.01
_BETWEEN_S = 0.05  # calls that are spooled meanwhile are counted together
_SWEPT_AT_ONCE = 100  # counters; each is a round trip


class Recovery:
    """Probes Redis while the circuit is open, keeps its time, replays the spool.

    And gives back reservations that expired: a look costs one read where there are
    none. Every process looks, at moments of its own; whoever is first does it.

    Runs as one task beside the calls, so that none of them waits for any of it.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        circuit: Circuit,
        clock: ServerClock,
        spool: Spool | None,
        *,
        door: ContractDoor,
    ) -> None:
        self._redis = redis
        self._door = door
        self._circuit = circuit
        self._clock = clock
        self._spool = spool
        self._replayer = (
            Replayer(redis, context, spool, clock)
            if spool is not None and not context.read_only
            else None
        )
        self._pause_s = context.library.circuit_pause_s
        self._reservations = Reservations(redis, context)
        self._sweep_s = 0 if context.read_only else context.library.give_back_s
        self._random = SystemRandom()
        self._woken = asyncio.Event()
        self._look_at = self._replay_at = 0.0
        self._sweep_at = time.monotonic() + self._random.uniform(0, self._sweep_s)

    def wake(self) -> None:
        """Go to work: the circuit has opened, or a call was spooled."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        own = asyncio.current_task()
        assert own is not None
        while True:
            self._woken.clear()
            try:
                pause_s = await self._step()
            except Exception as error:
                # Were this task to end, nothing would ever be replayed.
                _log.exception("recovery_failed")
                self._trouble(f"{type(error).__name__}: {error}")
                pause_s = self._pause_s
            if own.cancelling():
                # redis-py sends with `asyncio.wait_for`, which in Python 3.11 swallows
                # a cancellation that comes as it is done (bpo-37658).
                return
            try:
                async with asyncio.timeout(max(pause_s, _LEAST_S)):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _step(self) -> float:
        """Do what is due, and return the seconds until more will be."""
        epoch = self._circuit.probe()
        if epoch is None and self._look_at <= time.monotonic():
            epoch = self._circuit.admit()
        if epoch is not None:
            await self._look(epoch)
        retry_in_s = self._circuit.retry_in_s()
        if retry_in_s is not None:
            return retry_in_s
        if self._door.sentence:  # what is due stays so until it is open
            return self._look_at - time.monotonic()
        await self._replay()
        await self._sweep()
        due = min(self._look_at, self._sweep_at) if self._sweep_s else self._look_at
        if self._spool is not None and self._spool.waits and self._replayer:
            due = min(due, self._replay_at)
        return due - time.monotonic()

    async def _look(self, epoch: int) -> None:
        answers = False
        try:
            self._clock.learn(await server_time(self._redis))
            answers = True
            await self._door.look()
            self._look_at = time.monotonic() + _LOOK_S
        except RedisRefused:
            answers = True
            self._look_at = time.monotonic() + self._pause_s
        except RedisUnreachable:
            self._look_at = time.monotonic() + self._pause_s
        finally:
            (self._circuit.succeeded if answers else self._circuit.failed)(epoch)
        if answers and self._spool is not None:
            await self._spool.adopt()

    async def _replay(self) -> None:
        if self._spool is None or self._replayer is None or not self._clock.known:
            return
        if not self._spool.waits or self._replay_at > time.monotonic():
            return
        try:
            await self._replayer.replay()
        except (Unreachable, OSError) as error:
            self._replay_at = time.monotonic() + self._pause_s
            self._trouble(str(error))
        else:
            self._replay_at = time.monotonic() + _BETWEEN_S
            self._trouble("")

    async def _sweep(self) -> None:
        if not self._sweep_s or self._sweep_at > time.monotonic():
            return
        found = 0
        try:
            swept = await self._reservations.give_back_expired(_SWEPT_AT_ONCE)
            found = swept.counters
        except Unreachable as error:
            _log.info("reservations_not_swept reason=%s", visible(str(error)))
        # Apart from one another, though many processes were started at once.
        pause_s = self._random.uniform(0.5, 1.5) * self._sweep_s
        more = found == _SWEPT_AT_ONCE
        self._sweep_at = time.monotonic() + (_BETWEEN_S if more else pause_s)

    def _trouble(self, text: str) -> None:
        if self._spool is not None:
            self._spool.trouble = text
