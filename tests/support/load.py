"""Fifty callers that count without a pause, and an account of every call they made."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.contexts import CALLS

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.errors import RedisRefused, RedisUnreachable, UnknownOutcome
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService

CALLERS = 50
TENANTS = tuple(f"tenant-{number}" for number in range(10))
_DEADLINE_S = 60.0
_TOGETHER = 500


@dataclass
class Account:
    """What became of each call, by tenant and call id.

    Attributes:
        confirmed: Answered: counted.
        at: When each of them was, by the event loop's clock.
        unknown: Sent, and the answer was lost.
        refused: Said to have counted nothing; each with the error's words.
        latest: How many calls each caller had confirmed, since it was last cleared.
    """

    confirmed: list[tuple[str, str]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    latest: dict[int, int] = field(default_factory=dict)

    async def until_each(self, calls: int, *, besides: Collection[str] = ()) -> None:
        """Wait until every caller had this many more calls confirmed.

        Args:
            besides: Tenants whose callers are not waited for.

        Raises:
            TimeoutError: Some caller gets no answers.
        """
        self.latest.clear()
        async with asyncio.timeout(_DEADLINE_S):
            while not all(  # noqa: ASYNC110  # the callers would wake us each time
                self.latest.get(number, 0) >= calls
                for number in range(CALLERS)
                if _tenant_of(number) not in besides
            ):
                await asyncio.sleep(0.01)


def _tenant_of(number: int) -> str:
    return TENANTS[number % len(TENANTS)]


@asynccontextmanager
async def load(usage: UsageService) -> AsyncIterator[Account]:
    """Let the callers count while the block runs; each call has an id of its own."""
    account = Account()
    ended = asyncio.Event()
    callers = [
        asyncio.create_task(_call(usage, account, number, ended))
        for number in range(CALLERS)
    ]
    try:
        yield account
    finally:
        ended.set()
        await asyncio.gather(*callers)


async def _call(
    usage: UsageService, account: Account, number: int, ended: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    tenant, made = _tenant_of(number), 0
    while not ended.is_set():
        made += 1
        call = (tenant, f"caller-{number}-{made}")
        try:
            await usage.consume(tenant, {CALLS: 1}, call_id=call[1])
        except UnknownOutcome:
            account.unknown.append(call)
        except (RedisRefused, RedisUnreachable) as error:
            account.refused[call] = str(error)
            await asyncio.sleep(0.01)  # as a caller would that backs off
        else:
            account.confirmed.append(call)
            account.at.append(loop.time())
            account.latest[number] = account.latest.get(number, 0) + 1


@dataclass(frozen=True)
class Balance:
    """What the counters held, and what asking again told of the calls.

    Attributes:
        counted: Sum of all counters before anything was asked again.
        kept: Confirmed calls whose answer is still there.
        lost: Confirmed calls that a failover forgot.
        done: Unknown calls that had been counted.
        after: Sum of all counters when every call had been asked again.
    """

    counted: int
    kept: int
    lost: int
    done: int
    after: int


async def settle(
    redis: Redis, usage: UsageService, layout: KeyLayout, account: Account
) -> Balance:
    """Ask every call again with its id: it gets the first answer, or is made now."""
    counted = await _sum(redis, layout)
    kept = await _asked_again(usage, account.confirmed)
    done = await _asked_again(usage, account.unknown)
    lost = len(account.confirmed) - kept
    return Balance(counted, kept, lost, done, await _sum(redis, layout))


async def _asked_again(usage: UsageService, calls: list[tuple[str, str]]) -> int:
    """Return how many of these calls had been counted before."""
    before = 0
    # Not all at once: the last of them would wait longer than a call may.
    for first in range(0, len(calls), _TOGETHER):
        answers = await asyncio.gather(
            *(
                usage.consume(tenant, {CALLS: 1}, call_id=name)
                for tenant, name in calls[first : first + _TOGETHER]
            )
        )
        before += sum(answer.replayed for answer in answers)
    return before


async def _sum(redis: Redis, layout: KeyLayout) -> int:
    label = calendar_month(await server_time(redis)).label
    values = [await redis.get(layout.counter(t, CALLS, label)) for t in TENANTS]
    return sum(int(value or 0) for value in values)
