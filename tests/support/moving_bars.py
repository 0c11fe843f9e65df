"""Twenty bars on the screen that all move when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from redis import Redis

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import Usage
from meterdeck.core.sandbox.catalogue import sandbox_context
from meterdeck.core.services.usage import UsageService

BARS = 20
_FIRST, _LAST = 30, 69  # below every colour change, and never a row's worst counter


@dataclass(frozen=True, slots=True)
class _Bar:
    key: bytes
    limit: int


class MovingBars:
    """Move counters of the tenants on a screen, without changing the rows' order.

    The rows must be ordered by their worst counter: the worst of each is left alone,
    and so is a tenant whose name stands on the screen twice (the selected one, in
    full below).

    Args:
        redis_url: The sandbox's server.
        screen: The console's screen, for the rows that are on it.
        by: Percent of a move. A bar has 7 cells, painted in halves: with 8 each
            move is seen in every bar, with 1 mostly in its number alone.

    Attributes:
        percent: What all of them show, once the console has seen it.
    """

    def __init__(self, redis_url: str, screen: str, *, by: int = 8) -> None:
        self._context = sandbox_context(
            redis_url=redis_url, stripe_api_base="http://127.0.0.1", api_key="sk_test_x"
        )
        self._redis = Redis.from_url(
            redis_url, decode_responses=True, encoding_errors="surrogateescape"
        )
        usages = _read(self._context, self._on_screen(screen))
        self._bars = tuple(self._movable(usages))[:BARS]
        if len(self._bars) < BARS:
            raise AssertionError(f"only {len(self._bars)} bars can move:\n{screen}")
        self._by = by
        self.percent = _LAST
        self.step()

    def __enter__(self) -> MovingBars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._redis.close()

    def step(self) -> None:
        """Move every bar up; those that would pass 69 % start at 30 % again."""
        self.percent += self._by
        if self.percent > _LAST:
            self.percent = _FIRST
        pipeline = self._redis.pipeline(transaction=False)
        for bar in self._bars:
            used = -(-self.percent * bar.limit // 100)  # the least that shows it
            pipeline.set(bar.key, used, keepttl=True)
        pipeline.execute()

    def _on_screen(self, screen: str) -> list[str]:
        layout = self._context.redis.layout
        tenants = self._redis.smembers(layout.tenants())
        assert isinstance(tenants, set)
        lines = [line for line in screen.split("\n") if "%" in line]
        shown = []
        for tenant in sorted(map(str, tenants)):
            name = str(self._redis.hget(layout.tenant(tenant), "name"))
            if sum(name in line for line in lines) == 1 == screen.count(name):
                shown.append(tenant)
        return shown

    def _movable(self, usages: Sequence[tuple[Usage, ...]]) -> Iterator[_Bar]:
        for usage in usages:
            by_share = sorted(usage, key=lambda each: each.percent or 0)
            if (by_share[-1].percent or 0) <= _LAST:
                continue
            for each in by_share[:-1]:
                # A percent of fewer units would be no whole number of them.
                if each.limit.units and each.limit.units >= 100:
                    key = self._context.redis.layout.counter(
                        each.tenant, each.resource, each.period.label
                    )
                    yield _Bar(key, each.limit.units)


def _read(context: Context, tenants: Sequence[str]) -> list[tuple[Usage, ...]]:
    async def read() -> list[tuple[Usage, ...]]:
        client = open_redis(context.redis)
        try:
            service = UsageService(client, context)
            return [await service.usage(tenant) for tenant in tenants]
        finally:
            await client.aclose()

    # asyncio.run would take away the current loop, which is pytest-asyncio's.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(read())
    finally:
        loop.close()
