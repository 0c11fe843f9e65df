"""Reading letters: events that need somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import cast

from meterdeck.core.adapters.letter_fields import read_letter
from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.errors import NotFound
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Letter
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId

_TENANTS_TOGETHER = 100


class LetterReading:
    """Reads the letters of one context; what is none of ours is passed over."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def of(self, tenant: str) -> tuple[Letter, ...]:
        """Return a tenant's letters, the newest first.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        with redis_errors():
            reply = await self._redis.hgetall(self._layout.letters(tenant))
        # Our client returns bytes; its types allow text.
        return _sorted(TenantId(tenant), cast("Mapping[bytes, bytes]", reply))

    async def all(self, limit: int) -> AsyncIterator[Letter]:
        """Yield `limit` letters at most, those of tenants with the newest ones first.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        start, left = 0, limit
        while left > 0:
            tenants = await self._tenants(start)
            for tenant in tenants:
                for letter in (await self.of(tenant))[:left]:
                    left -= 1
                    yield letter
                if not left:
                    return
            if len(tenants) < _TENANTS_TOGETHER:
                return
            start += _TENANTS_TOGETHER

    async def count(self) -> int:
        """Return how many letters there are.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        total, start = 0, 0
        while True:
            tenants = await self._tenants(start)
            async with self._redis.pipeline(transaction=False) as pipe:
                for tenant in tenants:
                    pipe.hlen(self._layout.letters(tenant))
                with redis_errors():
                    total += sum(await pipe.execute()) if tenants else 0
            if len(tenants) < _TENANTS_TOGETHER:
                return total
            start += _TENANTS_TOGETHER

    async def get(self, tenant: str, identifier: str) -> Letter:
        """Return one letter.

        Raises:
            NotFound: There is none.
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        name = name_bytes(identifier)
        with redis_errors():
            raw = await self._redis.hget(self._layout.letters(tenant), name)
        letter = None
        if raw is not None:
            letter = read_letter(TenantId(tenant), name, cast("bytes", raw))
        if letter is None:
            raise no_letter(tenant, identifier)
        return letter

    async def _tenants(self, start: int) -> list[TenantId]:
        with redis_errors():
            reply = await self._redis.zrevrange(
                self._layout.lettered(), start, start + _TENANTS_TOGETHER - 1
            )
        return [TenantId(name_text(cast("bytes", each))) for each in reply]


def _sorted(tenant: TenantId, reply: Mapping[bytes, bytes]) -> tuple[Letter, ...]:
    found = (read_letter(tenant, name, raw) for name, raw in reply.items())
    letters = [each for each in found if each is not None]
    return tuple(sorted(letters, key=lambda each: each.at, reverse=True))


def no_letter(tenant: str, identifier: str) -> NotFound:
    """Say that there is no such letter."""
    return NotFound(f"{visible(tenant)} has no letter {visible(identifier)}")
