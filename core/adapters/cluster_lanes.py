"""Lanes to every node of a Redis Cluster: a call goes where its tenant's keys are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.crc import key_slot

from meterdeck.core.adapters.cluster_nodes import ClusterNodes
from meterdeck.core.adapters.consume_calls import Answer, ConsumeCall
from meterdeck.core.adapters.lane import Waiting
from meterdeck.core.adapters.script_lanes import ScriptLanes, pool_lanes
from meterdeck.core.errors import RedisRefused, RedisUnreachable, Unreachable

_CLOSED = "the connection to Redis is closed"
_LATE = "nobody said in time who has these keys"
_SLACK_S = 0.001  # a timer may be early by the clock's resolution


class ClusterLanes:
    """Carries calls; belongs to one event loop.

    A node that says it has not got the keys has done nothing: the call is sent again
    once it is known who has them, until its time is over. Calls to the other nodes
    do not wait for that.
    """

    def __init__(self, nodes: ClusterNodes) -> None:
        self._nodes = nodes
        self._loop = asyncio.get_running_loop()
        self._homeless: list[tuple[Waiting, RedisRefused | None]] = []
        self._housing: asyncio.Task[None] | None = None
        self._lanes: set[ScriptLanes] = set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many calls were not sent yet."""
        return len(self._homeless) + sum(each.waiting for each in self._lanes)

    def submit(self, call: ConsumeCall) -> asyncio.Future[Answer]:
        """Return what will hold the answer; as `ScriptLanes.submit`."""
        if self._closed:
            raise RedisUnreachable(_CLOSED)
        lanes = self._lanes_of(call)
        if lanes is not None:
            return lanes.submit(call)
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._homeless.append((Waiting(call, answer, self._loop.time()), None))
        # To ask all nodes may take longer than the call may wait.
        self._loop.call_later(self._nodes.timeout_s, self._expire)
        self._house()
        return answer

    def elsewhere(self, waiting: Sequence[Waiting], error: RedisRefused) -> None:
        """Find out who has the keys of these calls, and have them sent there."""
        self._homeless += [(each, error) for each in waiting]
        for each in waiting:
            self._loop.call_at(each.since + self._nodes.timeout_s, self._expire)
        self._house()

    def lost(self) -> None:
        """Look whether another node has taken over."""
        if not self._closed:
            self._nodes.lost()

    async def aclose(self) -> None:
        """Refuse what waits; the lanes themselves are closed with their pools."""
        self._closed = True
        if self._housing is not None:
            self._housing.cancel()
            await asyncio.gather(self._housing, return_exceptions=True)
        self._refuse_homeless(RedisUnreachable(_CLOSED))

    def _lanes_of(self, call: ConsumeCall) -> ScriptLanes | None:
        place = self._nodes.place_of(key_slot(call.entry))
        if place is None:
            return None
        lanes = pool_lanes(self._nodes.pool(place), self)
        self._lanes.add(lanes)
        return lanes

    def _house(self) -> None:
        if self._closed:
            self._refuse_homeless(RedisUnreachable(_CLOSED))
        elif self._housing is None or self._housing.done():
            self._housing = self._loop.create_task(self._house_all())

    async def _house_all(self) -> None:
        while self._homeless:
            failure: Unreachable | None = None
            try:
                await self._nodes.look()
            except Unreachable as error:
                failure = error
            homeless, self._homeless = self._homeless, []
            for waiting, reason in homeless:
                self._place(waiting, reason, failure)

    def _expire(self) -> None:
        due = self._loop.time() - self._nodes.timeout_s + _SLACK_S
        late = [each for each in self._homeless if each[0].since <= due]
        self._homeless = [each for each in self._homeless if each[0].since > due]
        for waiting, error in late:
            self._refuse(waiting, error or RedisUnreachable(_LATE))

    def _place(
        self, waiting: Waiting, error: RedisRefused | None, failure: Unreachable | None
    ) -> None:
        if waiting.answer.done():  # its caller has gone
            return
        lanes = None if failure else self._lanes_of(waiting.call)
        late = waiting.since + self._nodes.timeout_s <= self._loop.time()
        if lanes is not None and not late:
            lanes.submit_again([waiting], error)
        elif error is not None and not late:
            self._homeless.append((waiting, error))
        else:
            reason = failure or error or RedisUnreachable("nobody has these keys")
            self._refuse(waiting, reason)

    def _refuse_homeless(self, error: RedisUnreachable) -> None:
        for waiting, _ in self._homeless:
            self._refuse(waiting, error)
        self._homeless.clear()

    def _refuse(self, waiting: Waiting, error: Unreachable) -> None:
        if not waiting.answer.done():
            waiting.answer.set_exception(type(error)(str(error)))
