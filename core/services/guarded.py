"""Asking Redis on behalf of an application: within a deadline, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from meterdeck.core.errors import RedisRefused, RedisUnreachable, Unreachable
from meterdeck.core.model.degraded import Reason
from meterdeck.core.services.circuit import Circuit
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.fallback import Fault

T = TypeVar("T")

_AWAY = "Redis did not answer a moment ago and is left alone"
_LATE = "Redis did not answer in time"


class Guarded:
    """Asks while the circuit is closed, and tells the circuit what came of it.

    Args:
        door: Closed to what writes where this program is too old.
    """

    def __init__(
        self,
        circuit: Circuit,
        deadline_s: float,
        door: ContractDoor,
    ) -> None:
        self._circuit = circuit
        self._door = door
        self._deadline_s = deadline_s

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | Fault:
        """Ask something that writes; a `Fault` where there is no answer.

        What the answer itself raises is raised.
        """

        async def through_the_door() -> T:
            if not self._door.open:
                await self._enter()
            return await question()

        return await self._ask(through_the_door)

    async def _enter(self) -> None:
        """Pass the door; not to know it in time is not to have sent anything."""
        try:
            async with asyncio.timeout(self._deadline_s / 2):
                await self._door.enter_once_known()
        except TimeoutError as error:
            raise RedisUnreachable(_LATE) from error

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T | Fault:
        epoch = self._circuit.admit()
        if epoch is None:
            return Fault(Reason.REDIS_UNREACHABLE, False, _AWAY)
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await question()
        except (Unreachable, TimeoutError) as error:
            return self._fault(error, epoch)
        self._circuit.succeeded(epoch)
        return answer

    def admit(self) -> int | None:
        """Return the number of this time if it is worth asking, else None.

        For what keeps to the deadline by itself and is sent without `ask`: a timer of
        its own for each call would take as long as all the rest. Tell `answered` or
        `lost` what came of it.
        """
        return self._circuit.admit() if self._door.open else None

    def answered(self, epoch: int) -> None:
        """Note an answer to what was admitted."""
        self._circuit.succeeded(epoch)

    def lost(self, error: Unreachable, epoch: int) -> Fault:
        """Note that there is none, and return why."""
        return self._fault(error, epoch)

    def _fault(self, error: Exception, epoch: int) -> Fault:
        if isinstance(error, RedisRefused):
            self._circuit.succeeded(epoch)  # it answers
            return Fault(Reason.REDIS_REFUSED, False, str(error))
        self._circuit.failed(epoch)
        if isinstance(error, RedisUnreachable):
            return Fault(Reason.REDIS_UNREACHABLE, False, str(error))
        return Fault(Reason.ANSWER_LOST, True, _LATE)

    async def read(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask something that writes nothing.

        Raises:
            RedisUnreachable, RedisRefused: There is no answer.
        """
        answer = await self._ask(question)
        if isinstance(answer, Fault):
            raise answer.error("the question", "")
        return answer
