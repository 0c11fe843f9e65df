"""A lane: one connection that carries many callers' script calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from meterdeck.core.adapters.consume_calls import (
    Answer,
    ConsumeCall,
    pack_calls,
    read_answers,
)
from meterdeck.core.adapters.redis_client import redis_errors
from meterdeck.core.adapters.redis_refusals import (
    is_elsewhere,
    is_no_permission,
    is_unknown_script,
)
from meterdeck.core.errors import (
    MeterdeckError,
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
    Unreachable,
)

_PING = b"*1\r\n$4\r\nPING\r\n"


@dataclass(slots=True)
class Waiting:
    """A call and who waits for its answer; `since` is the event loop's time."""

    call: ConsumeCall
    answer: asyncio.Future[Answer]
    since: float


class Work(Protocol):
    """Where a lane gets its calls from."""

    async def more(self, lane: Lane) -> None:
        """Return when there are calls to be sent."""

    def take(self) -> Sequence[Waiting]:
        """Hand over the calls that waited longest; empty if there are none."""

    def unreachable(self, error: Unreachable) -> None:
        """Learn that a lane got no connection, and ends."""

    def elsewhere(self, waiting: Sequence[Waiting], error: RedisRefused) -> None:
        """Take calls back that this server did not make, and another one will."""

    def lost(self) -> None:
        """Learn that answers were lost with the connection."""


class Lane:
    """Sends what waits, a flight at a time, and tells the callers what came of it.

    Args:
        connection: Not connected yet, and nobody else's.
        timeout_s: Deadline of connecting, and of all answers of a flight.
    """

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        # There is one deadline for all, in `_fly`; the library's would be one a read.
        connection.socket_timeout = None
        self._connection = connection
        self._timeout_s = timeout_s

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return bool(self._connection.is_connected)

    async def run(self, work: Work) -> None:
        """Carry calls until cancelled, or there is no connection; then close it."""
        try:
            while True:
                await work.more(self)
                try:
                    await self._connect()
                except Unreachable as error:
                    work.unreachable(error)
                    return
                if flight := work.take():
                    await self._fly(flight, work)
        finally:
            with suppress(RedisError, OSError):
                await self._connection.disconnect()

    async def _connect(self) -> None:
        connection = self._connection
        # The library leaves the method without types.
        leave = connection.should_reconnect()  # type: ignore[no-untyped-call]
        if connection.is_connected:
            # Between two flights there is nothing to read but the connection's end.
            with suppress(RedisError, OSError):
                if not leave and not await connection.can_read():
                    return
            await connection.disconnect(nowait=True)
        try:
            with redis_errors():
                async with asyncio.timeout(self._timeout_s):
                    await self._greet()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    async def _greet(self) -> None:
        connection = self._connection
        await connection.connect()  # type: ignore[no-untyped-call]  # the library's
        # A server that takes no more clients, or is loading, says so only now: before
        # anything is sent whose outcome would then be unknown.
        await connection.send_packed_command(_PING, check_health=False)
        with suppress(ResponseError):  # no right to ask; that is an answer, too
            await connection.read_response(disable_decoding=True)

    async def _fly(self, flight: Sequence[Waiting], work: Work) -> None:
        returned: list[_Returned] = []
        try:
            requests = _grouped(flight)
            async with asyncio.timeout(self._timeout_s):
                while requests:
                    requests = await self._exchange(requests, returned)
        except (RedisUnreachable, TimeoutError):
            work.lost()
            await self._connection.disconnect(nowait=True)
        finally:
            for error, waiting in returned:
                work.elsewhere(waiting, error)
            kept = {id(each) for _, waiting in returned for each in waiting}
            # Those that have no answer by now never get one.
            for each in flight:
                if not each.answer.done() and id(each) not in kept:
                    call_id = each.call.call_id
                    each.answer.set_exception(UnknownOutcome("usage", call_id))

    async def _exchange(
        self, requests: Sequence[_Request], returned: list[_Returned]
    ) -> list[_Request]:
        """Send all and settle what is answered; return what is to be sent again.

        What is to be sent elsewhere is added to `returned`.
        """
        with redis_errors():
            await self._connection.send_packed_command(
                [request.packed() for request in requests], check_health=False
            )
        again: list[_Request] = []
        for request in requests:
            reply = await self._reply()
            if isinstance(reply, RedisRefused) and is_elsewhere(reply):
                returned.append((reply, request.waiting))
            else:
                again += request.settle(reply)
        return again

    async def _reply(self) -> object:
        try:
            with redis_errors():
                reply: object = await self._connection.read_response(
                    disable_decoding=True
                )
                return reply
        except RedisRefused as error:
            return error


_Returned = tuple[RedisRefused, Sequence[Waiting]]


@dataclass(frozen=True, slots=True)
class _Request:
    """The calls of one script call; `full` where it carries the script's text."""

    waiting: Sequence[Waiting]
    full: bool = False

    def packed(self) -> bytes:
        return pack_calls([each.call for each in self.waiting], full=self.full)

    def settle(self, reply: object) -> list[_Request]:
        """Answer the calls, or return what surely was not done and is to be sent."""
        if isinstance(reply, RedisRefused):
            if is_unknown_script(reply) and not self.full:
                return [_Request(self.waiting, full=True)]
            if is_no_permission(reply) and len(self.waiting) > 1:
                # The one call that is not allowed keeps none of the others out.
                return [_Request([each], self.full) for each in self.waiting]
            _settle(self.waiting, (RedisRefused(str(reply)) for _ in self.waiting))
        else:
            calls = [each.call for each in self.waiting]
            _settle(self.waiting, read_answers(calls, reply))
        return []


def _settle(
    waiting: Sequence[Waiting], answers: Iterable[Answer | MeterdeckError]
) -> None:
    for each, answer in zip(waiting, answers, strict=True):
        if each.answer.done():  # its caller has gone
            continue
        if isinstance(answer, MeterdeckError):
            each.answer.set_exception(answer)
        else:
            each.answer.set_result(answer)


def _grouped(flight: Sequence[Waiting]) -> list[_Request]:
    groups: dict[object, list[Waiting]] = {}
    for each in flight:
        groups.setdefault(each.call.group, []).append(each)
    return [_Request(group) for group in groups.values()]
