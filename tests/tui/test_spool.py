"""What waits on this machine's disk, as the console shows it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.tui.pictures import NOW, update
from tests.tui.support import fleet_update, operating

from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.tui.widgets.banner import Banner

AWAY = Health(Reach.DOWN, last_ok=NOW, message="refused")
EMPTY = SpoolSight(0, True, None, 0, 0, put_aside=False)
WAITING = replace(EMPTY, calls=1_204, oldest_at=NOW - timedelta(seconds=72))


async def test_an_empty_spool_shows_nothing() -> None:
    """Nor one that is not known."""
    async with operating(fleet_update()) as operator:
        await operator.push(update(spool=EMPTY))

        assert not operator.app.screen.query_one(Banner).display
        assert "disk" not in operator.text()


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
@pytest.mark.parametrize(
    ("spool", "sentence"),
    [
        (WAITING, "! 1,204 calls wait on this disk since 14:00:59"),
        (replace(WAITING, percent=12), "since 14:00:59, 12 % of its room"),
        (replace(WAITING, calls=1), "! 1 call waits on this disk"),
        (replace(WAITING, exact=False), "! about 1,204 calls wait"),
        (replace(WAITING, ended=1), "left by 1 ended process"),
        (replace(WAITING, percent=97), "✗ the spool is full, calls are refused: 1,204"),
        (replace(EMPTY, put_aside=True), "! calls were put aside: meterdeck spool"),
    ],
)
async def test_what_waits_is_one_line_below_the_header(
    size: tuple[int, int], spool: SpoolSight, sentence: str
) -> None:
    """How many, since when, and whether there is room; gone with the last of them."""
    async with operating(fleet_update(), size=size) as operator:
        await operator.push(update(spool=spool))
        await operator.sees(sentence)
        assert sentence in operator.lines()[2]

        await operator.push(update(spool=EMPTY))
        await operator.until(lambda: sentence not in operator.text())


async def test_a_full_spool_is_as_loud_as_a_redis_that_is_away() -> None:
    """From then on calls are refused."""
    async with operating(fleet_update()) as operator:
        await operator.push(update(spool=replace(WAITING, percent=97)))

        await operator.sees("✗ the spool is full")


async def test_while_redis_is_away_both_are_told_in_one_line() -> None:
    """Redis first: what waits follows from it."""
    async with operating(fleet_update()) as operator:
        await operator.push(update(redis=AWAY, spool=WAITING))

        text = await operator.sees("Redis does not answer since 14:02:11")
        assert "ago · 1,204 calls wait on this disk" in text
