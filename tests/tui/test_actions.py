"""The one gate that every action passes."""

from dataclasses import replace

import pytest
from tests.tui.pictures import context
from tests.tui.support import fleet_update, operating
from textual.widgets import Button

from meterdeck.core.model.context import Mode
from meterdeck.tui.actions import ACTIONS, Action, Area, Confirm, offered, refusal

WRITING = [action for action in ACTIONS if action.writes]
OPENING = {
    Area.FLEET: (), Area.EVENTS: ("e",), Area.CATALOGUE: ("c",),
    Area.OVERRIDES: ("O",), Area.DRIFT: ("D",), Area.ALERTS: ("L",),
    Area.REQUESTS: ("Q",),
}  # fmt: skip


@pytest.mark.parametrize("action", WRITING, ids=lambda action: action.id)
def test_the_gate_refuses_every_writing_action_when_read_only(action: Action) -> None:
    """A read-only context refuses with a sentence that names it."""
    why = refusal(action, context(Mode.TEST, read_only=True))

    assert "staging is read-only" in why


@pytest.mark.parametrize("action", WRITING, ids=lambda action: action.id)
def test_the_gate_refuses_writing_before_the_context_is_known(action: Action) -> None:
    """Nothing is changed in an environment that is not on the screen yet."""
    assert refusal(action, None)


def test_a_context_without_stripe_sells_nothing() -> None:
    """So nothing of the catalogue is changed, nor offered."""
    nowhere = replace(context(), stripe=None)

    selling = [action for action in ACTIONS if action.of_stripe]
    assert selling
    assert all("nothing has a price" in refusal(action, nowhere) for action in selling)
    assert not set(selling) & set(offered(Area.CATALOGUE, nowhere))


@pytest.mark.parametrize("area", list(Area))
def test_a_read_only_context_offers_no_writing_action(area: Area) -> None:
    """Footer, palette and help are made from what is offered."""
    actions = offered(area, context(read_only=True))

    assert not [action.id for action in actions if action.writes]


def test_every_writing_action_asks_before_it_acts() -> None:
    """No key changes anything by itself."""
    assert all(action.confirm is not Confirm.NONE for action in WRITING)


def test_ids_and_keys_are_used_once_on_a_screen() -> None:
    """One key has one meaning."""
    for area in Area:
        actions = [action for action in ACTIONS if area in action.area]
        keys = [key for action in actions for key in action.keys.split(",")]
        assert len(keys) == len(set(keys))
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


async def test_keys_of_writing_actions_are_refused_when_read_only() -> None:
    """Each opens no dialog and says why; the engine is asked nothing."""
    async with operating(fleet_update(), of=context(read_only=True)) as operator:
        for action in WRITING:
            where = next(area for area in OPENING if area in action.area)
            await operator.press(*OPENING[where])
            operator.app.clear_notifications()
            await operator.press(action.keys)

            said = operator.notices()
            assert f"{action.label}: " in said
            assert "read-only, nothing was changed" in said
            assert not operator.app.screen.query(Button)
            assert action.label not in operator.lines()[-1]
            operator.app.to_fleet()


async def test_a_test_event_is_refused_in_a_live_context() -> None:
    """Live meters get no events that did not happen."""
    live = context(Mode.LIVE, name="production")
    async with operating(fleet_update(), of=live) as operator:
        await operator.press("t")

        assert "go to test and sandbox contexts only" in operator.notices()
        assert "test event" not in operator.lines()[-1]
