"""The drift screen: what the workers found, a comparison of one's own, a repair."""

from dataclasses import replace
from datetime import timedelta

from tests.tui.drift_pictures import closing, missing, passed
from tests.tui.pictures import NOW, believable, context, update
from tests.tui.support import Operator, fleet_update, operating
from textual.widgets import Button

from meterdeck.core.model.context import Mode
from meterdeck.core.services.reconcile.desk import MOST_WRONG
from meterdeck.tui.dialogs.repair import RepairDialog
from meterdeck.tui.screens.drift import DriftScreen
from meterdeck.tui.widgets.drift_list import ClosingList

ACME, BETA, GAMMA = believable(3)


def screen(operator: Operator) -> DriftScreen:
    """Return the screen in front."""
    found = operator.app.screen
    assert isinstance(found, DriftScreen)
    return found


async def test_drift_is_shown_compared_filtered_repaired_and_gone() -> None:
    """Opening asks nothing of Stripe; a repair is planned from what Stripe says then.

    In a live context its name is typed; Enter confirms nothing.
    """
    live = context(Mode.LIVE, name="eu")
    async with operating(fleet_update(), of=live) as operator:
        drift = operator.engine.drifting
        drift.wrong = [missing(ACME, 30), missing(BETA, 7)]
        drift.passed = passed(drift.wrong)
        await operator.press("D")
        await operator.sees("the workers compared 120 counters 12 min ago")
        assert "+30" in operator.line_with(ACME.name)
        assert "difference +30  =" in operator.text()
        assert "a repair sends it again" in operator.text()
        assert drift.compares == []

        drift.wrong.append(missing(GAMMA, 3))
        await operator.press("a")
        await operator.sees("you compared 3 counters")
        assert drift.compares == [True]
        assert "+3" in operator.line_with(GAMMA.name)
        await operator.press("slash")
        await operator.type("drift>5")
        await operator.press("enter")
        await operator.until(lambda: GAMMA.name not in operator.text())

        await operator.press("R")
        await operator.until(lambda: isinstance(operator.app.screen, RepairDialog))
        await operator.sees("30 go out again")
        await operator.type("late")
        await operator.press("enter", "enter", "ctrl+s")
        assert drift.repaired == []
        assert "this is live: type eu" in operator.text()
        await operator.press("up")
        await operator.type("eu")
        await operator.press("ctrl+s")
        await operator.until(lambda: len(drift.repaired) == 2)
        assert {why for _, why in drift.repaired} == {"late"}
        await operator.until(lambda: "2 changes made" in operator.notices())
        await operator.sees("nothing fits the filter; Esc drops it")
        await operator.press("escape", "escape")
        assert not isinstance(operator.app.screen, DriftScreen)


async def test_of_many_that_differ_the_worst_are_kept_and_the_rest_is_counted() -> None:
    """However many there are, a console needs no more room for them."""
    async with operating(fleet_update()) as operator:
        drift = operator.engine.drifting
        drift.wrong = [missing(BETA, 1)] * (2 * MOST_WRONG) + [missing(ACME, 9)]
        await operator.press("D", "a")
        await operator.sees(f"; {MOST_WRONG + 1:,} more differ")

        assert "+9" in operator.line_with(ACME.name)
        assert operator.app.picture is not None
        assert operator.app.picture.comparing is not None
        assert len(operator.app.picture.comparing.wrong()) == MOST_WRONG


async def test_what_the_workers_find_after_a_counter_was_compared_anew_is_shown() -> (
    None
):
    """What whoever repairs has seen holds until a later pass, not for ever."""
    async with operating(fleet_update()) as operator:
        drift = operator.engine.drifting
        drift.passed = passed([missing(ACME, 30), missing(BETA, 7)])
        drift.wrong = [missing(BETA, 8)]
        await operator.press("D")
        await operator.sees("+30")

        await operator.press("R")
        await operator.until(lambda: isinstance(operator.app.screen, RepairDialog))
        await operator.press("escape")
        await operator.until(lambda: ACME.name not in operator.text())
        assert "+8" in operator.line_with(BETA.name)

        later = [missing(ACME, 99), missing(BETA, 9)]
        drift.passed = replace(passed(later), at=NOW + timedelta(minutes=10))
        screen(operator).ask_engine()
        await operator.sees("+99")
        assert "+9" in operator.line_with(BETA.name)


async def test_that_nothing_is_unsent_is_said_when_it_was_read() -> None:
    """While Redis does not answer that stands there; what was known stays."""
    nothing = "no counter is unsent of periods that end soon"
    async with operating(fleet_update()) as operator:
        drift = operator.engine.drifting
        drift.away = "Redis does not answer: timed out"
        await operator.press("D", "tab")
        await operator.sees(f"  {drift.away}")
        assert nothing not in operator.text()

        drift.away = ""
        screen(operator).read_endings()
        await operator.sees(nothing)

        drift.ending = [closing(BETA, 9)]
        screen(operator).read_endings()
        await operator.sees("9 waiting")
        drift.away = "Redis does not answer: timed out"
        screen(operator).read_endings()
        assert "9 waiting" in await operator.sees(drift.away)


async def test_what_ends_soon_is_read_again_and_its_time_runs() -> None:
    """Every half minute, and when whoever was elsewhere comes back."""
    async with operating(fleet_update()) as operator:
        drift = operator.engine.drifting
        drift.ending = [closing(BETA, 9)]
        await operator.press("D", "tab")
        await operator.sees("in 1h 59m")

        await operator.push(update(NOW + timedelta(hours=1)))
        screen(operator).tick()
        await operator.sees("in 59m")

        await operator.press("question_mark")
        drift.ending = [closing(ACME, 77)]
        await operator.push(update(NOW + timedelta(hours=1)))
        await operator.press("escape")
        await operator.sees("77 waiting")


async def test_marks_choose_what_is_repaired_and_tab_shows_what_ends_soon() -> None:
    """Space marks; r plans for what is marked alone. Enter opens the tenant."""
    async with operating(fleet_update(), size=(80, 24)) as operator:
        drift = operator.engine.drifting
        drift.wrong = [missing(ACME, 30), missing(BETA, 7), missing(GAMMA, 3)]
        drift.passed = passed(drift.wrong)
        drift.ending = [closing(BETA, 9)]
        await operator.press("D", "j", "space", "r")
        await operator.until(lambda: isinstance(operator.app.screen, RepairDialog))
        assert BETA.name in operator.text()
        await operator.sees("1 counter  →  1 change")
        assert operator.app.screen.query_one("#confirm", Button).disabled
        await operator.press("escape", "tab")
        await operator.sees("9 waiting")
        await operator.press("r")
        assert "only that is repaired" in operator.notices()
        await operator.press("slash")
        await operator.type("zz")
        await operator.sees("nothing fits the filter")
        await operator.press("backspace", "backspace", "enter")
        await operator.sees("9 waiting")
        assert operator.app.focused is operator.app.screen.query_one(ClosingList)
        await operator.press("enter")
        await operator.sees(BETA.id)
