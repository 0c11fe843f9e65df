"""The health screen: each thing with its verdict, and what to do about it."""

from dataclasses import replace
from datetime import timedelta

from tests.support.well import NOW, SERVER, WELL
from tests.tui.support import fleet_update, operating

from meterdeck.core.model.health import RedisHealth, Sending
from meterdeck.tui.screens.health import HealthScreen


async def test_what_is_wrong_is_named_and_how_to_mend_it_is_below() -> None:
    """From all good to a worker that is gone and an eviction policy that loses usage.

    Redis that is away is the screen's first line, and the rest stays readable.
    """
    async with operating(fleet_update(), size=(80, 24)) as operator:
        await operator.press("H")
        assert "all good" in await operator.sees("noeviction")
        assert operator.engine.health.asked[0] is not None

        memory = replace(SERVER.memory, policy="allkeys-lru")
        servers = (replace(SERVER, memory=memory),)
        silent = NOW - timedelta(minutes=9)
        operator.engine.health.picture = replace(
            WELL,
            redis=replace(WELL.redis, servers=servers),
            sending=Sending((), silent, 40),
        )
        await operator.press("r", "j", "j", "j")
        await operator.sees("2 bad")
        assert "✗ bad" in operator.line_with("allkeys-lru: counters")
        assert "→ set maxmemory-policy noeviction" in operator.text()
        await operator.press("G", "k", "k", "k", "k", "k", "k")
        assert "→ start a worker: meterdeck sync" in await operator.sees("9 min ago")

        gone = RedisHealth("Redis does not answer: connection refused")
        operator.engine.health.picture = replace(
            WELL, redis=gone, sending=None, waiting=None
        )
        await operator.press("r", "g")
        assert "✗ bad" in await operator.sees("connection refused")

        await operator.press("escape")
        assert not isinstance(operator.app.screen, HealthScreen)
