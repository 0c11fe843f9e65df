"""The pulse: the whole fleet on one screen, for a display that nobody touches."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.well import WORKER
from tests.tui.pictures import NOW, believable, context, counters, update
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.model.health import Sending
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.picture import Picture
from meterdeck.tui.pulse import Pulse
from meterdeck.tui.screens.pulse import PulseScreen
from meterdeck.tui.widgets.line_view import LineView
from meterdeck.tui.widgets.pulse_map import PulseMap


def test_rates_are_of_all_tenants_and_a_new_period_counts_for_nothing() -> None:
    """Units of each resource a second; the first look only says where it begins."""
    now, picture = 100.0, Picture(context())
    pulse = Pulse(lambda: now)
    picture.apply(fleet_update())
    (column,) = [c for c in picture.fleet.columns if c.resource.name == "api_calls"]
    pulse.look(picture)
    assert pulse.per_second("api_calls") is None

    before = column.used[0]
    column.used[0] = before + 50
    now = 105.0
    pulse.look(picture)
    assert pulse.per_second("api_calls") == 10.0

    column.used[0] = 0
    now = 110.0
    pulse.look(picture)
    assert pulse.per_second("api_calls") == 5.0
    assert [picture.fleet.worst(row) for row in pulse.nearest[:2]] == [97, 97]


async def test_what_moved_is_told_from_counters_that_were_read_and_over_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fleet that comes in after the screen was opened has not moved."""
    monkeypatch.setattr(ConsoleApp, "opens", "pulse")
    async with operating(update(counters_at=None)) as operator:
        screen, now = operator.app.screen, 0.0
        assert isinstance(screen, PulseScreen)
        screen._pulse = Pulse(lambda: now)
        screen.tick()
        await operator.push(fleet_update())
        screen.tick()
        await operator.sees("█ at limit 2")

        now = 31.0
        screen.tick()
        assert "▲" not in operator.text()

        batch = counters(0, {each.id: 10**9 for each in believable()[:8]})
        await operator.push(update(counters=(batch,)))
        now = 125.0
        screen.tick()
        await operator.sees("▲ 6 in 2 min")
        now = 625.0
        screen.tick()
        await operator.sees("▲ 6 in 10 min")


async def test_the_fleet_is_on_one_screen_at_every_size_and_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`meterdeck pulse` opens it without a key: figures, picture, who is near.

    Nothing is sent while nothing changes. Esc leaves.
    """
    monkeypatch.setattr(ConsoleApp, "opens", "pulse")
    well = Sending((replace(WORKER, unsent=12, oldest_s=30.0),))
    first = replace(fleet_update(), sending=well)
    async with operating(first, size=(120, 40)) as operator:
        await operator.sees("nearest to the limit")
        await operator.sees("█ at limit 2")
        assert believable()[0].name in operator.text()  # a tile of its own
        assert "1.0 events/s" in operator.line_with("To Stripe")
        assert "oldest 30 s" in operator.text()

        for width, height in ((80, 24), (200, 60)):
            await operator.pilot.resize_terminal(width, height)
            await operator.pilot.pause()
            assert "rising fastest" in operator.text()
            assert len(operator.lines()) == height
            assert all(line.strip() for line in operator.lines()[4:8])

        painted = _painted(operator)
        await operator.push(update(at=NOW + timedelta(seconds=1), sending=well))
        screen = operator.app.screen
        assert isinstance(screen, PulseScreen)
        screen.tick()
        assert _painted(operator) == painted

        batch = counters(0, {each.id: 10**9 for each in believable()[:8]})
        await operator.push(update(counters=(batch,), sending=Sending()))
        await operator.until(lambda: "no worker is alive" in operator.text())
        await operator.press("escape")
        assert not isinstance(operator.app.screen, PulseScreen)


async def test_more_tenants_than_cells_are_shown_however_low_the_terminal() -> None:
    """Where the picture has one line, that is cells; the words below them go first."""
    async with operating(fleet_update(600), size=(80, 24)) as operator:
        await operator.press("p")
        await operator.sees("a cell stands for")
        picture, seen = operator.app.screen.query_one(PulseMap), set[int]()

        for height in range(23, 15, -1):
            await operator.pilot.resize_terminal(80, height)
            await operator.pilot.pause()
            assert operator.app.crash is None
            assert len(picture.lines()) == picture.size.height
            seen.add(picture.size.height)

        assert seen >= {1, 2, 3}, seen


def _painted(operator: Operator) -> list[object]:
    """Return the lines of the screen's own parts; a line sent again is another."""
    names = ("PulseFigures", "PulseMap", "PulseList", "PulseRates")
    parts = [w for n in names for w in operator.app.screen.query(n)]
    return [id(x) for w in parts if isinstance(w, LineView) for x in w._lines]
