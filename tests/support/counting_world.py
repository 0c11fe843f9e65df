"""A real server with a frozen clock, several clients of it, and the model beside."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self, TypeVar

from tests.support.contexts import (
    CALLS,
    FREE,
    IMAGES,
    SEATS,
    redis_context,
)
from tests.support.counting_model import DEFAULTS, NAMES
from tests.support.frozen_clock import CLOCK, FrozenClock
from tests.support.operating_model import LAYOUT, TENANT, Counted, Key, Operating
from tests.support.proxy import Proxy
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.settle_calls import SettleScript
from meterdeck.core.errors import RedisUnreachable, UnknownOutcome
from meterdeck.core.model.context import Context, RedisOptions
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.usage import CounterId, Plan, ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

CLIENTS = 3
_TRIES = 6
_DAY_MS = 86_400_000
T = TypeVar("T")

_DUMP = b"""
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then value = redis.call('XRANGE', key, '-', '+') end
  out[#out + 1] = {key, kind, value, redis.call('PEXPIRETIME', key),
    redis.call('PTTL', key)}
end
return out
"""


class Unknown:
    """A write was sent, and its answer was lost."""


def model_context(url: str) -> Context:
    """Return a context whose limits and rules are the model's."""
    context = redis_context(url)
    rules = {
        IMAGES: LimitRule(Enforcement.HARD, grace_percent=50, grace_hours=1),
        SEATS: LimitRule(Enforcement.SHADOW),
    }
    limits = {ResourceName(name): int(units) for name, units in DEFAULTS.items()}
    return replace(
        context,
        resources=tuple(
            replace(each, rule=rules.get(each.name, each.rule))
            for each in context.resources
        ),
        plans={FREE: Plan(FREE, "Free", limits)},
    )


@dataclass
class Client:
    """One program that counts and one operator's, behind a proxy."""

    redis: Redis
    proxy: Proxy
    usage: UsageService
    changes: OperatorChanges
    late: set[str] = field(default_factory=lambda: {"month", "cycle"})
    """Kinds of periods of which it may have one that is over."""


class World:
    """Real clients of a real server; use as `async with World(url, clock)`."""

    def __init__(self, url: str, clock: FrozenClock) -> None:
        self._url = url
        self.clock = clock
        self.model = Operating(0)
        self.clients: list[Client] = []
        self.direct: Redis
        self._stack = AsyncExitStack()
        self._began = 0.0
        self._last = 0
        self._numbers = 0

    async def __aenter__(self) -> Self:
        self.direct = open_redis(RedisOptions(url=self._url, timeout_s=10.0))
        await self.direct.set(CLOCK, 1)
        self._stack.push_async_callback(self.direct.aclose)
        for _ in range(CLIENTS):
            proxy = await self._stack.enter_async_context(Proxy(self._url))
            redis = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0))
            self._stack.push_async_callback(redis.aclose)
            self.clients.append(self._client(redis, proxy))
        # The server learns the script: a lost answer is then always of a call.
        await self.clients[0].usage.consume(TENANT, {CALLS: 1})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _client(self, redis: Redis, proxy: Proxy) -> Client:
        context = model_context(self._url)
        return Client(
            redis, proxy, UsageService(redis, context), OperatorChanges(redis, context)
        )

    async def begin(self, moment: datetime) -> None:
        """Empty the server and start over, with programs that know nothing yet."""
        await self.direct.flushall()
        await self.clock.set(self.direct, moment)
        self.clients = [self._client(each.redis, each.proxy) for each in self.clients]
        self.model = Operating(self.clock.now_ms)
        self._began = time.monotonic()
        self._last = 0
        self._numbers = 0

    def number(self) -> int:
        """Return a number that no operation had yet."""
        self._numbers += 1
        return self._numbers

    @property
    def took_s(self) -> float:
        """Real seconds since it began."""
        return time.monotonic() - self._began

    async def insist(
        self,
        client: Client,
        lose: int | None,
        work: Callable[[], Awaitable[T]],
        *,
        again: Callable[[], Awaitable[T]] | None,
    ) -> T | Unknown:
        """Do something while the answer after `lose` answers gets lost.

        Args:
            again: What to do when the outcome is unknown; None: nothing is repeated.
        """
        if lose is not None:
            client.proxy.lose_next_answer(after=lose)
        try:
            for _ in range(_TRIES):
                try:
                    return await work()
                except UnknownOutcome:
                    if again is None:
                        return Unknown()
                    work = again
                except RedisUnreachable:
                    continue  # nothing was done
        finally:
            client.proxy.heal()
        raise AssertionError("it was never done")

    async def pass_time(self, by_ms: int, *, noticed: bool) -> None:
        """Let time pass on the server, in the model and, if noticed, at the clients."""
        await self.clock.move(self.direct, by_ms, noticed=noticed)
        self.model.pass_time(by_ms)
        self.outdate()

    def outdate(self) -> None:
        """Remember that no client has the current periods any more."""
        for each in self.clients:
            each.late |= {"month", "cycle"}

    async def settle_the_past(self) -> None:
        """Give back what expired of counters whose period is over.

        A client that is late may do it, too, before it is told the time.
        """
        model = self.model
        current = {model.term(each).slot for each in NAMES}
        for slot in [each for each in model.reserving if each not in current]:
            if model.expired(slot):
                script = SettleScript(self.direct, LAYOUT, 35 * _DAY_MS)
                found = CounterId(TenantId(TENANT), ResourceName(slot[0]), slot[1])
                await script.give_back(LAYOUT.counter(TENANT, *slot), found)
                model.sweep_one(slot)

    # -- comparing --------------------------------------------------------------------

    async def differences(self, model: Operating) -> str:
        """Return in words what the server has and the model has not, or otherwise."""
        reply = await ask(self.direct, "EVAL", _DUMP, 0)
        there = {
            key: (kind, value, ends, left) for key, kind, value, ends, left in reply
        }
        del there[CLOCK]
        numbers = [
            there.pop(LAYOUT.sequence(), None),
            there.pop(LAYOUT.changed(), None),
        ]
        expected = model.keys()
        wrong = [
            f"{key.decode()}: is {there.get(key)}, has to be {expected.get(key)}"
            for key in sorted({*there, *expected})
            if key not in there
            or key not in expected
            or not self._same(there[key], expected[key])
        ]
        return "\n".join(wrong) or self._wrong_numbers(numbers, model)

    def _wrong_numbers(self, numbers: list[Any], model: Operating) -> str:
        sequence, changed = numbers
        last = int(sequence[1]) if sequence else 0
        if model.changed and last <= self._last:
            return f"the change got no number after {self._last}"
        if last and changed[1] != [TENANT.encode(), b"%d" % last]:
            return f"the index has {changed[1]} instead of number {last}"
        return ""

    def accept(self, model: Operating, last: int) -> None:
        """Go on with a model whose state was found to be the server's."""
        model.changed = False
        self.model = model
        self._last = last

    async def last_number(self) -> int:
        """Return the number of the last change."""
        return int(await self.direct.get(LAYOUT.sequence()) or 0)

    def _same(self, held: tuple[Any, ...], wanted: Key) -> bool:
        kind, value, ends, left = held
        if kind.decode() != wanted.kind:
            return False
        if isinstance(wanted.ends, Counted):
            least = wanted.ends.left_ms - self.took_s * 1000 - 1000
            if not least <= left <= wanted.ends.left_ms:
                return False
        elif ends != wanted.ends:
            return False
        return wanted.value is None or _read(wanted.kind, value) == wanted.value


def _read(kind: str, value: Any) -> object:
    if kind == "string":
        return value.decode()
    if kind == "stream":
        return [(each.decode(), _pairs(fields)) for each, fields in value]
    if kind == "set":
        return {each.decode() for each in value}
    pairs: Mapping[str, str] = _pairs(value)
    return {k: int(v) for k, v in pairs.items()} if kind == "zset" else pairs


def _pairs(flat: list[bytes]) -> dict[str, str]:
    words = [each.decode() for each in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
