"""Finding counters that may have unsent units: by what changed, and by sweeping."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.change_feed import ChangeFeed
from meterdeck.core.services.sync.counter_flow import CounterFlow
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.sampling import Sampling
from meterdeck.core.services.sync.sweep import CounterKeys, SweepPace

MOST_AT_ONCE = 1_000

_LONGEST_REST_S = 30.0


class Search:
    """Notices counters for `counters`, which claims what is unsent of them.

    `moved` is told whose counters changed or were swept over.

    Every method raises RedisUnreachable and RedisRefused; the next call goes on where
    it stopped.
    """

    def __init__(
        self,
        own: Equipment,
        counters: CounterFlow,
        moved: Callable[[Iterable[TenantId]], None] = lambda tenants: None,
    ) -> None:
        layout = own.context.redis.layout
        self._own = own
        self._counters = counters
        self._moved = moved
        self._feed = ChangeFeed(own.redis, layout)
        self._keys = CounterKeys(own.redis, layout, own.share.is_mine)
        self._sampling = Sampling(
            own.redis, own.context, tenants=own.billables.tenant, now=own.now
        )
        self._pace = SweepPace(own.context.sweep_share, self._rest_s())

    def _rest_s(self) -> float:
        billed = self._own.billables.billed
        shortest = min((each.flush_s for each in billed), default=60)
        return max(1.0, min(_LONGEST_REST_S, shortest / 2))

    async def begin(self) -> None:
        """Learn the server's time, and where changes begin.

        Before the first sweep: what changes from here on is told, and what changed
        before is found.
        """
        pulse = await self._feed.look()
        self._own.server_clock.learn(pulse.at)

    @property
    def cursor(self) -> int | None:
        """The number of the last change that was noticed; None without an index."""
        return self._feed.cursor

    def anew(self) -> None:
        """Go through all counters from the first: other tenants are ours now."""
        self._sampling.forget()
        self._keys.begin()

    async def follow(self) -> None:
        """Notice the counters of tenants that changed since the last look."""
        more = True
        while more:
            pulse = await self._feed.look()
            self._own.server_clock.learn(pulse.at)
            if pulse.restarted:
                self._keys.begin()
            self._moved(pulse.changed)
            for tenant in pulse.changed:
                # What is another's is looked at when that one should have died.
                mine = self._own.share.is_mine(tenant)
                counters = self._own.billables.counters_of(tenant, pulse.at)
                self._counters.notice(
                    counters, later_s=0.0 if mine else self._own.lease_s
                )
            more = pulse.more

    async def take_over(self) -> None:
        """Notice counters with an event in flight that is nobody's any more."""
        found = await self._own.records.unsettled(self._own.now(), MOST_AT_ONCE)
        self._counters.notice(found)

    async def step(self) -> float:
        """Go on with the sweep; return how long to rest before the next step."""
        rounds = self._keys.rounds
        self._pace.step_begins()
        if self._keys.at_the_first:
            self._sampling.round_begins()
        found = await self._keys.some()
        self._moved({each.tenant for each in found})
        self._counters.notice(found)
        await self._sampling.see(found)
        through = self._keys.rounds > rounds
        if through:
            await self._sampling.round_ends()
        await self._counters.caught_up()
        return self._pace.pause_s(rounds, through=through)

    async def step_of_the_first_round(self) -> bool:
        """Go on until all counters were gone through once; then tell that it is so."""
        if self._keys.rounds:
            return False
        self._counters.notice(await self._keys.some())
        return True
