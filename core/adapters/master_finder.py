"""Which server is the master, by what all the Sentinels say together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import RedisError

_OTHERS_S = 0.25  # how much longer than the first Sentinel the others may take

Address = tuple[str, int]


class MasterFinder(Sentinel):
    """The library's, that asks all Sentinels at once and believes the last election.

    The library asks one after the other. The first to answer may not have heard of a
    failover yet, and names the old master for seconds; and one whose machine died
    together with the master's makes everybody wait until its time is over.
    """

    def __init__(self, sentinels: Sequence[Redis]) -> None:
        super().__init__([])  # type: ignore[no-untyped-call]  # the library's
        self.sentinels = list(sentinels)

    async def discover_master(self, service_name: str) -> Address:
        """Return where the master is, as soon as a Sentinel knows it.

        Raises:
            MasterNotFoundError: None answers, or the master is down.
        """
        claims, why = await self._ask_all(service_name)
        if claims:
            best = max(claims, key=lambda each: (each.epoch, not each.down))
            if not best.down:
                return best.address
            why = ["the Sentinels call it down"]
        words = "; ".join(why)
        raise MasterNotFoundError(f"no master {service_name!r} was found: {words}")

    async def _ask_all(self, name: str) -> tuple[list[_Claim], list[str]]:
        tasks = [asyncio.create_task(_ask(each, name)) for each in self.sentinels]
        try:
            answers = await _gathered(tasks)
        finally:
            for each in tasks:
                each.cancel()
        claims = [each for each in answers if isinstance(each, _Claim)]
        return claims, [each for each in answers if isinstance(each, str)]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one Sentinel says; `epoch` is the number of the election it knows of."""

    epoch: int
    address: Address
    down: bool


async def _gathered(tasks: Sequence[asyncio.Task[_Claim | str]]) -> list[_Claim | str]:
    """Wait for the first claim, and a little longer for others."""
    loop = asyncio.get_running_loop()
    until: float | None = None
    waiting, answers = set(tasks), list[_Claim | str]()
    while waiting:
        left = None if until is None else until - loop.time()
        done, waiting = await asyncio.wait(
            waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            break
        answers += [each.result() for each in done]
        if until is None and any(isinstance(each, _Claim) for each in answers):
            until = loop.time() + _OTHERS_S
    return answers


async def _ask(sentinel: Redis, name: str) -> _Claim | str:
    try:
        async with sentinel.pipeline(transaction=False) as pipe:
            # While a failover is under way only this one tells of its result.
            pipe.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", name)
            pipe.execute_command("SENTINEL MASTER", name)
            found, state = await pipe.execute()
    except (RedisError, OSError) as error:
        return str(error)
    return _claim(found, state) if found else "a Sentinel does not watch it"


def _claim(found: tuple[bytes, int], state: dict[str, Any]) -> _Claim:
    address = found[0].decode(), found[1]
    # Where they differ, the state is that of the master before.
    same = (state["ip"], state["port"]) == address
    down = same and (state["is_sdown"] or state["is_odown"])
    return _Claim(int(state["config-epoch"]), address, down)
