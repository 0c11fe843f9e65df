"""The Redis server's clock, carried on while the server does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _wall() -> datetime:
    return datetime.now(UTC)


class ServerClock:
    """Tells the server's time by this host's monotonic clock, once it was learned."""

    def __init__(
        self,
        *,
        wall: Callable[[], datetime] = _wall,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._learned: tuple[datetime, float] | None = None

    @property
    def known(self) -> bool:
        """Whether the server has told its time; else `now` is this host's."""
        return self._learned is not None

    def learn(self, moment: datetime) -> None:
        """Take `moment`, which the server has just told, for its time."""
        self._learned = (moment, self._monotonic())

    def now(self) -> datetime:
        """Return the server's time as far as it is known, to the millisecond."""
        if self._learned is None:
            now = self._wall()
        else:
            moment, at = self._learned
            now = moment + timedelta(seconds=self._monotonic() - at)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
