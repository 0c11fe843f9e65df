"""Twenty bars on the screen that each move by one percent when told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from redis import Redis

from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.sandbox.catalogue import RESOURCES

BARS = 20
_FIRST, _LAST = 30, 69  # below every colour change, and never a row's worst counter
_LAYOUT = KeyLayout()


@dataclass(frozen=True, slots=True)
class _Bar:
    key: bytes
    limit: int


class MovingBars:
    """Move counters of the tenants on a screen, without changing the rows' order.

    The rows must be ordered by their worst counter, and the worst one of each must
    be at 70 % or more: it is left alone. So is the row under the cursor, which is
    shown a second time in full.

    Args:
        redis_url: The sandbox's server.
        screen: The console's screen, for the rows that are on it.

    Attributes:
        percent: What all of them show, once the console has seen it.
    """

    def __init__(self, redis_url: str, screen: str) -> None:
        self._redis = Redis.from_url(
            redis_url, decode_responses=True, encoding_errors="surrogateescape"
        )
        self.percent = _FIRST - 1
        self._bars = tuple(self._choose(screen))[:BARS]
        if len(self._bars) < BARS:
            raise AssertionError(f"only {len(self._bars)} bars can move:\n{screen}")
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
        """Move every bar up by one percent; after 69 % they start at 30 % again."""
        self.percent = _FIRST if self.percent == _LAST else self.percent + 1
        pipeline = self._redis.pipeline(transaction=False)
        for bar in self._bars:
            used = -(-self.percent * bar.limit // 100)  # the least that shows it
            pipeline.set(bar.key, used, keepttl=True)
        pipeline.execute()

    def _choose(self, screen: str) -> Iterator[_Bar]:
        lines = screen.split("\n")
        month = calendar_month(datetime.now(UTC)).label
        overridden = _members(self._redis, _LAYOUT.overridden())
        for tenant in sorted(_members(self._redis, _LAYOUT.tenants()) - overridden):
            entry = _entry(self._redis, tenant)
            shown = [line for line in lines if entry["name"] in line]
            if len(shown) != 1 or "%" not in shown[0]:
                continue
            limits = {
                _LAYOUT.counter(tenant, each.name, month): entry.get(
                    f"limit:{each.name}", ""
                )
                for each in RESOURCES
            }
            yield from self._but_the_worst(limits)

    def _but_the_worst(self, limits: Mapping[bytes, str]) -> Iterator[_Bar]:
        bars = [
            _Bar(key, int(limit)) for key, limit in limits.items() if limit.isdigit()
        ]
        by_share = sorted(bars, key=self._share)
        if len(by_share) > 1 and self._share(by_share[-1]) > _LAST / 100:
            yield from by_share[:-1]

    def _share(self, bar: _Bar) -> float:
        raw = self._redis.get(bar.key)
        assert raw is None or isinstance(raw, str)
        return int(raw or 0) / bar.limit if bar.limit else 0.0


def _members(redis: Redis, key: bytes) -> set[str]:
    found = redis.smembers(key)
    assert isinstance(found, set)
    return {str(member) for member in found}


def _entry(redis: Redis, tenant: str) -> dict[str, str]:
    found = redis.hgetall(_LAYOUT.tenant(tenant))
    assert isinstance(found, dict)
    return {str(field): str(value) for field, value in found.items()}
