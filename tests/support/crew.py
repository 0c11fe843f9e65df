"""Workers in processes of their own, each on a seat where it is killed and replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tests.support.doom import Doom, Step
from tests.support.doomed_worker import work
from tests.support.proxy import Proxy
from tests.support.stripe_side import StripeSide
from tests.support.troubled_stripe import TroubledStripe
from tests.support.zygote import Order, Worker, Zygote

from meterdeck.core.adapters.billing_calls import CLAIM, SETTLE_DELIVERY
from meterdeck.core.adapters.queue_calls import SETTLE_QUEUED
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.local_stripe import LocalStripeServer
from meterdeck.core.model.context import Context

_CLAIMS = (Script(*CLAIM).digest.encode(),)
_SETTLES = tuple(
    Script(*names).digest.encode() for names in (SETTLE_DELIVERY, SETTLE_QUEUED)
)


@dataclass(eq=False)
class Seat:
    """A place of one worker after another.

    Attributes:
        context: As this seat's workers have it: both servers by its own ways.
        wrong_s: So many seconds their clock is ahead.
    """

    context: Context
    doom: Doom
    wrong_s: float = 0.0
    worker: Worker | None = None
    restarts: int = -1

    def strike(self, step: Step) -> bool:
        """Kill the worker if it is to be; tell whether it was."""
        worker = self.worker
        if worker is None or worker.killed or not self.doom.strikes(step):
            return False
        worker.kill()
        return True


class Reaper:
    """Stands between a seat and Redis, and kills by what passes; a proxy's blade."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._after: dict[int, Step] = {}

    def cut_request(self, connection: int, data: bytes) -> bool:
        """Kill before a claim, or before what was sent is settled."""
        if any(each in data for each in _CLAIMS):
            before, after = Step.BEFORE_CLAIM, Step.AFTER_CLAIM
        elif any(each in data for each in _SETTLES):
            before, after = Step.BEFORE_SETTLE, Step.AFTER_SETTLE
        else:
            return False
        self._after[connection] = after
        return self._seat.strike(before)

    def cut_answer(self, connection: int, _data: bytes) -> bool:
        """Kill after it."""
        step = self._after.pop(connection, None)
        return step is not None and self._seat.strike(step)


@dataclass
class Crew:
    """All seats; `doom` decides what happens to whom."""

    seats: Sequence[Seat]
    doom: Doom
    zygote: Zygote

    @property
    def restarts(self) -> int:
        """How many workers took the place of one that was killed."""
        return sum(each.restarts for each in self.seats)

    def kill_somebody(self) -> None:
        """Kill a worker that works, wherever it just is."""
        seat = self.doom.random.choice(list(self.seats))
        if seat.worker is not None and not seat.worker.killed:
            seat.worker.kill()
            self.doom.killed["anywhere"] += 1

    async def keep(self, seat: Seat) -> None:
        """Have somebody work on a seat, for ever."""
        while True:
            order = Order(work, (seat.context,), seat.wrong_s)
            seat.worker = await self.zygote.fork(order)
            seat.restarts += 1
            await seat.worker.gone.wait()
            assert seat.worker.killed, self.zygote.complaints[-3000:]


@asynccontextmanager
async def at_work(
    zygote: Zygote,
    context: Context,
    stripe: StripeSide,
    doom: Doom,
    *,
    workers: int = 1,
    wrong_s: Sequence[float] = (0.0,),
) -> AsyncIterator[tuple[Crew, TroubledStripe]]:
    """Let workers work, and be replaced when they are killed, during the block.

    With Sentinels they reach Redis directly: those tell where it is.

    Args:
        wrong_s: Of the seats in turn, see `Seat`.
    """
    door = TroubledStripe(stripe.local.app, doom)
    stripe.local.app = door
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(zygote.listening())
        seats = []
        for number in range(workers):
            server = LocalStripeServer(stripe.local)
            await stack.enter_async_context(server)
            seat = Seat(_reached(context, server.base_url), doom)
            seat.wrong_s = wrong_s[number % len(wrong_s)]
            door.strikes[urlsplit(server.base_url).port or 0] = seat.strike
            if context.redis.sentinel is None:
                proxy = await stack.enter_async_context(Proxy(context.redis.url))
                proxy.scissors = Reaper(seat)
                redis = replace(context.redis, url=proxy.url)
                seat.context = replace(seat.context, redis=redis)
            seats.append(seat)
        crew = Crew(seats, doom, zygote)
        keeping = [asyncio.create_task(crew.keep(seat)) for seat in seats]
        try:
            yield crew, door
            _check(keeping)
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


def _check(keeping: Sequence[asyncio.Task[None]]) -> None:
    for task in keeping:
        if task.done():
            task.result()


def _reached(context: Context, base_url: str) -> Context:
    assert context.stripe is not None
    stripe = replace(context.stripe, api_base=base_url, meter_events_base=base_url)
    return replace(context, stripe=stripe)
