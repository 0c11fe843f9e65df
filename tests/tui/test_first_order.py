"""The order of the table while the first counters come in."""

from dataclasses import replace

from tests.tui.support import fleet_update, operating

from meterdeck.tui.widgets.tenant_table import TenantTable


async def test_the_worst_is_on_top_as_soon_as_its_counters_are_there() -> None:
    """Names come first, counters after: nobody waits for the next sort."""
    whole = fleet_update()
    names = replace(whole, counters=(), counters_at=None)
    counters = replace(whole, tenants=())

    async with operating(names) as operator:
        await operator.push(counters)
        picture = operator.app.picture
        assert picture is not None
        rows = operator.app.screen.query_one(TenantTable).list.rows

        worst = [picture.fleet.worst(row) for row in rows]

    assert worst[0] >= 100
    assert worst == sorted(worst, reverse=True)


async def test_what_is_not_read_yet_is_not_called_zero() -> None:
    """Neither in the table nor in the detail; what has no counter at the end has 0."""
    whole = fleet_update()
    names = replace(whole, counters=(), counters_at=None)

    async with operating(names) as operator:
        before = await operator.sees("waiting for the first counters")
        await operator.push(replace(whole, tenants=(), counters=()))
        after = await operator.sees("0%")

    assert "…" in before
    assert "0%" not in before
    assert "0 / " not in before
    assert " left" not in before
    assert "waiting" not in after
