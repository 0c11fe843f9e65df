"""A server's clock that stands still until it is moved: tests of time without waiting.

A server's clock cannot be set. So these are the shipped scripts but for one function:
`clock_ms` reads a key, `CLOCK`, instead of TIME; and what the client reads by TIME is
the same moment. What Redis would expire by its own clock, `move` takes out.
"""

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from tests.support.raw import ask

from meterdeck.core.adapters import redis_client, scripts
from meterdeck.core.adapters.redis_client import Redis, to_milliseconds
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.services import current_periods, terms, usage_reading

CLOCK = b"test:clock"
SLACK_MS = 30_000
"""What is kept for less than this is gone: see `move`."""

_SHIPPED = b"""local function clock_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
"""
_FROZEN = b"""local function clock_ms()
  return tonumber(redis.call('GET', 'test:clock'))
end
"""

# Keys whose time is counted from when they are written go on with the server's own
# clock, and a test takes seconds: they are moved along, and are gone a little earlier.
# The others end at a moment. As in Redis, a key is still there at its very end.
_MOVE = b"""
local by, now, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local real = redis.call('TIME')
real = tonumber(real[1]) * 1000 + math.floor(tonumber(real[2]) / 1000)
for _, key in ipairs(redis.call('KEYS', '*')) do
  local ends = redis.call('PEXPIRETIME', key)
  local counted = false
  for at = 4, #ARGV do
    counted = counted or string.sub(key, 1, #ARGV[at]) == ARGV[at]
  end
  if counted and ends > 0 then
    ends = ends - by
    if ends - real < slack then
      redis.call('DEL', key)
    else
      redis.call('PEXPIREAT', key, string.format('%.0f', ends))
    end
  elseif ends > 0 and ends < now then
    redis.call('DEL', key)
  end
end
redis.call('SET', 'test:clock', ARGV[2])
"""
_COUNTED = ("call:", "settled:", "op:", "refusals:")


class FrozenClock:
    """The moment it is, for the scripts of a server and for this process's clients.

    Attributes:
        now_ms: Milliseconds since 1970.
        own_s: What the clients' own clocks say; they carry on with these what the
            server has told them.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self.own_s = 0.0

    @property
    def now(self) -> datetime:
        """The moment in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.now_ms)

    def monotonic(self) -> float:
        """Stand for `time.monotonic` of a client."""
        return self.own_s

    async def set(self, redis: Redis, moment: datetime) -> None:
        """Begin at a moment, on a server that has nothing yet."""
        self.now_ms = to_milliseconds(moment)
        await redis.set(CLOCK, self.now_ms)

    async def move(self, redis: Redis, by_ms: int, *, noticed: bool = True) -> None:
        """Let time pass, and what ends meanwhile be gone.

        Args:
            noticed: The clients' own clocks go on, too; else they are late.
        """
        self.now_ms += by_ms
        if noticed:
            self.own_s += by_ms / 1000
        counted = [f"meterdeck:{name}" for name in _COUNTED]
        await ask(redis, "EVAL", _MOVE, 0, by_ms, self.now_ms, SLACK_MS, *counted)


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> FrozenClock:
    """Freeze the clock of every server that this test talks to."""
    clock = FrozenClock()
    shipped = scripts._source
    monkeypatch.setattr(scripts, "_source", lambda name: _frozen(shipped(name)))
    found = {id(each): each for *_, each in _names() if isinstance(each, Script)}
    for script in found.values():
        text = _frozen(script.text)
        assert text != script.text
        digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        packed = script.digest.encode()
        for module, name, _ in [each for each in _names() if each[2] == packed]:
            monkeypatch.setattr(module, name, digest.encode())
        monkeypatch.setattr(script, "text", text)
        monkeypatch.setattr(script, "digest", digest)
    for module in (redis_client, usage_reading):
        monkeypatch.setattr(module, "clock_time", lambda _reply: clock.now)
    for module in (current_periods, terms):
        monkeypatch.setattr(module, "time", clock)
    return clock


def _frozen(text: bytes) -> bytes:
    return text.replace(_SHIPPED, _FROZEN)


def _names() -> Iterator[tuple[ModuleType, str, object]]:
    for name, module in list(sys.modules.items()):
        if name.startswith("meterdeck.core.") and isinstance(module, ModuleType):
            for each, value in list(vars(module).items()):
                yield module, each, value
