"""What the Sentinels announce: that a master is about to change, and that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from meterdeck.core.adapters.master_finder import Address

_PAUSE_S = 1.0  # before a Sentinel that does not answer is asked again
_AGAIN_S = 0.1  # between two tries to end a task
_QUIET_S = 5.0  # after so long without a message a Sentinel has to say something

_CHOSEN = "+failover-state-send-slaveof-noone"
_PROMOTED = "+promoted-slave"
_SWITCHED = "+switch-master"
_CALLED_OFF = "-failover-abort-slave-timeout"
_CHANNELS = (_CHOSEN, _PROMOTED, _SWITCHED, _CALLED_OFF)


class Follower(Protocol):
    """Does what the announcements ask for."""

    def hold(self) -> None:
        """A replica is told to become the master: what the master confirms is lost."""

    def moved(self, address: Address) -> None:
        """This is the master now."""

    def go_on(self) -> None:
        """The master stays what it is."""

    async def look(self) -> None:
        """Something may have been missed."""


class SentinelWatch:
    """Listens to all Sentinels of a master, and again after each lost connection.

    Belongs to one event loop. A Sentinel that may not be listened to (it wants a
    right that this user has not got) is asked again and again, and missed.
    """

    def __init__(
        self, sentinels: Sequence[Redis], master_name: str, follower: Follower
    ) -> None:
        self._name = master_name
        self._follower = follower
        self._listening: dict[Redis, asyncio.Task[None]] = {}
        self._sentinels = tuple(sentinels)

    def listen(self) -> None:
        """Listen to all, also where somebody has cancelled the task that did."""
        for each in self._sentinels:
            task = self._listening.get(each)
            if task is None or task.done():
                self._listening[each] = asyncio.create_task(self._listen(each))

    async def aclose(self) -> None:
        """Listen no longer."""
        tasks = {*self._listening.values()}
        while tasks:
            for task in tasks:
                task.cancel()
            # More than once: see `_ended`.
            _, tasks = await asyncio.wait(tasks, timeout=_AGAIN_S)

    async def _listen(self, sentinel: Redis) -> None:
        while not _ended():
            with suppress(RedisError, OSError):
                async with sentinel.pubsub() as channels:
                    await channels.subscribe(*_CHANNELS)
                    await self._hear(channels)
            await asyncio.sleep(_PAUSE_S)

    async def _hear(self, channels: Any) -> None:
        asked = False
        while not _ended():
            message = await channels.get_message(timeout=_QUIET_S)
            if message is None:
                if asked:  # a connection whose other end is gone says nothing, too
                    return
                await channels.ping()
            elif message["type"] == "subscribe":
                if message["data"] == len(_CHANNELS):
                    await self._follower.look()
            elif message["type"] == "message":
                words = message["data"].decode().split()
                self._take(message["channel"].decode(), words)
            asked = message is None

    def _take(self, channel: str, words: list[str]) -> None:
        # <name> <old ip> <old port> <new ip> <new port>
        # slave <its name> <ip> <port> @ <name> <ip> <port>
        # master <name> <ip> <port>
        switched = channel == _SWITCHED
        at = 0 if switched else 5 if "@" in words else 1
        if words[at] != self._name:
            return
        if switched or channel == _PROMOTED:
            ip, port = words[3:5] if switched else words[2:4]
            self._follower.moved((ip, int(port)))
        elif channel == _CHOSEN:
            self._follower.hold()
        else:
            self._follower.go_on()


def _ended() -> bool:
    # The library sends with `asyncio.wait_for`, which before Python 3.12 swallows a
    # cancellation that comes when it is done: the task would go on for ever.
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling() > 0
