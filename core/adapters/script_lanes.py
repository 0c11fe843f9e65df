"""Lanes: calls made in the same turn of the event loop share one round trip.

A call is queued and a sleeping lane woken; it runs after everything that is ready in
this turn, and takes what has gathered by then. There is no timer in between: a single
caller waits for nobody. Two lanes, so that one is under way while the other is packed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from meterdeck.core.adapters.consume_calls import MOST_TOGETHER, Answer, ConsumeCall
from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.lane import Lane, Waiting
from meterdeck.core.adapters.redis_client import Redis, RoutedRedis
from meterdeck.core.errors import RedisRefused, RedisUnreachable, Unreachable

LANES = 2
MOST_WAITING = 100_000
"""Calls that may wait to be sent; more are refused at once."""

_PAUSE_S = 0.05  # between two tries to find the master
_CLOSED = "the connection to Redis is closed"


class Lanes(Protocol):
    """What carries calls; see `ScriptLanes`."""

    @property
    def waiting(self) -> int:
        """How many calls were not sent yet."""

    def submit(self, call: ConsumeCall) -> asyncio.Future[Answer]:
        """Return what will hold the answer."""


class Router(Protocol):
    """Knows which server has a call's keys, where there are several."""

    def elsewhere(self, waiting: Sequence[Waiting], error: RedisRefused) -> None:
        """Take over calls that this server did not make, and another one will."""

    def lost(self) -> None:
        """Learn that the server does not answer."""


def lanes_of(redis: Redis) -> Lanes:
    """Return the client's lanes in the running event loop; they end with the client."""
    # Asked by every call: looking at abstract classes takes as long as a round trip's
    # share of it.
    if type(redis) is not Redis and isinstance(redis, RoutedRedis):
        lanes: Lanes = redis.lanes
        return lanes
    return pool_lanes(redis.connection_pool)  # type: ignore[arg-type]  # open_redis made it


def pool_lanes(pool: FairPool, router: Router | None = None) -> ScriptLanes:
    """Return the lanes to a pool's server in the running event loop.

    Raises:
        ReadOnly: All that lanes carry writes, and the client only reads.
    """
    pool.refuse_write()
    loop = asyncio.get_running_loop()
    lanes = pool.companions.get(loop)
    if lanes is None:
        for ended in [each for each in pool.companions if each.is_closed()]:
            del pool.companions[ended]
        lanes = pool.companions[loop] = ScriptLanes(pool, loop, router)
    assert isinstance(lanes, ScriptLanes)
    return lanes


class ScriptLanes:
    """Carries calls over two connections, first come, first served.

    Belongs to one event loop. What the library does to make a connection (TLS, login,
    choice of database) it does here, too. What a server refuses because it is not the
    one that has the keys is sent again: by the router, or where the pool follows the
    master by itself, over a new connection.
    """

    def __init__(
        self,
        pool: FairPool,
        loop: asyncio.AbstractEventLoop,
        router: Router | None = None,
    ) -> None:
        self._pool = pool
        self._router = router
        self._loop = loop
        self._timeout_s = float(pool.connection_kwargs["socket_timeout"])
        self._queue: deque[Waiting] = deque()
        self._lanes: dict[Lane, asyncio.Task[None]] = {}
        self._sleeping: dict[Lane, asyncio.Future[None]] = {}
        self._waking = False  # a lane was woken and did not run yet
        self._no_new_lane_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many calls were not sent yet."""
        return len(self._queue)

    def submit(self, call: ConsumeCall) -> asyncio.Future[Answer]:
        """Return what will hold the answer; cancelling it cancels no other call.

        A call that is cancelled may be counted all the same if it was sent. The answer
        may be an error: what the script says of this call, or

            RedisUnreachable: It was not sent within the timeout; nothing was done.
            RedisRefused: The server refused it; nothing was done.
            UnknownOutcome: It was sent, and its answer was lost.

        Raises:
            RedisUnreachable: The client is closed, or too many calls wait.
        """
        if self._closed:
            raise RedisUnreachable(_CLOSED)
        if len(self._queue) >= MOST_WAITING:
            raise RedisUnreachable(f"{MOST_WAITING:,} calls wait for Redis already")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._queue.append(Waiting(call, answer, self._loop.time()))
        self._queued()
        return answer

    def submit_again(
        self, waiting: Sequence[Waiting], error: RedisRefused | None
    ) -> None:
        """Send what was surely not done, before everything else, unless it is late.

        Args:
            error: Why it was not done; calls that are late get it.
        """
        now = self._loop.time()
        for each in reversed(waiting):
            if self._closed:
                _fail(each, RedisUnreachable(_CLOSED))
            elif each.since + self._timeout_s <= now:
                late = RedisUnreachable(self._late())
                _fail(each, late if error is None else _again(error))
            else:
                self._queue.appendleft(each)
        if self._queue:
            self._queued()

    async def more(self, lane: Lane) -> None:
        """Let `lane` sleep until there is something in the queue."""
        # A lane that comes too late sleeps, too, and has to be woken again.
        self._waking = False
        if not self._queue:
            wake: asyncio.Future[None] = self._loop.create_future()
            self._sleeping[lane] = wake
            await wake
        self._waking = False

    def take(self) -> Sequence[Waiting]:
        """Remove from the queue what shares the next round trip."""
        flight: list[Waiting] = []
        queue, room = self._queue, MOST_TOGETHER
        while queue:
            size = len(queue[0].call.terms)
            if flight and size > room:
                break
            waiting = queue.popleft()
            if not waiting.answer.done():  # its caller is still there
                flight.append(waiting)
                room -= size
        if queue and not self._waking:
            self._wake()
        return flight

    def unreachable(self, error: Unreachable) -> None:
        """Refuse everything that waits, unless another lane has a connection."""
        if any(lane.connected for lane in self._lanes):
            self._no_new_lane_until = self._loop.time() + self._timeout_s
            if self._queue:
                self._wake()
        else:
            self._refuse(type(error), str(error))
            self.lost()

    def elsewhere(self, waiting: Sequence[Waiting], error: RedisRefused) -> None:
        """Have calls sent again that this server surely did not make."""
        if self._router is not None:
            self._router.elsewhere(waiting, error)
        elif self._pool.follows and not self._closed:
            self._loop.call_later(_PAUSE_S, self.submit_again, waiting, error)
        else:
            for each in waiting:
                _fail(each, _again(error))

    def lost(self) -> None:
        """Tell the router, if there is one, that the server does not answer."""
        if self._router is not None:
            self._router.lost()

    async def aclose(self) -> None:
        """Close both connections; what waits is refused, what was sent is unknown."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._refuse(RedisUnreachable, _CLOSED)
        tasks = list(self._lanes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _queued(self) -> None:
        if self._timer is None:
            when = self._queue[0].since + self._timeout_s
            self._timer = self._loop.call_at(when, self._expire)
        if not self._waking:
            self._wake()

    def _wake(self) -> None:
        while self._sleeping:
            _, wake = self._sleeping.popitem()
            if not wake.done():  # done: somebody cancelled the lane's task
                wake.set_result(None)
                self._waking = True
                return
        if len(self._lanes) < LANES and self._may_start():
            lane = Lane(self._pool.make_connection(), self._timeout_s)
            task = self._loop.create_task(lane.run(self))
            self._lanes[lane] = task
            task.add_done_callback(lambda done: self._ended(lane, done))
            self._waking = True

    def _may_start(self) -> bool:
        return not self._lanes or self._loop.time() >= self._no_new_lane_until

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        self._lanes.pop(lane, None)
        self._sleeping.pop(lane, None)
        self._waking = False
        if not task.cancelled() and (error := task.exception()) is not None:
            while self._queue:
                _fail(self._queue.popleft(), error)
        while self._queue and self._queue[0].answer.done():
            self._queue.popleft()
        if self._queue and not self._closed:  # it was to carry them
            self._wake()

    def _refuse(self, kind: type[Unreachable], sentence: str) -> None:
        while self._queue:
            # One error each: whoever raises it writes its own traceback into it.
            _fail(self._queue.popleft(), kind(sentence))

    def _expire(self) -> None:
        queue, self._timer = self._queue, None
        due = self._loop.time() - self._timeout_s
        while queue and queue[0].since <= due:
            _fail(queue.popleft(), RedisUnreachable(self._late()))
        if queue:
            when = queue[0].since + self._timeout_s
            self._timer = self._loop.call_at(when, self._expire)

    def _late(self) -> str:
        return f"Redis does not answer: not sent within {self._timeout_s:g} s"


def _again(error: RedisRefused) -> RedisRefused:
    # One error each: whoever raises it writes its own traceback into it.
    return RedisRefused(str(error))


def _fail(waiting: Waiting, error: BaseException) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
