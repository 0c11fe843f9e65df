"""A console only reads until it is armed, and again when the time is over."""

from __future__ import annotations

import pytest
from tests.tui.pictures import context
from tests.tui.support import Operator, fleet_update, operating
from textual import events
from textual.widgets import Button, Input

from meterdeck.core.model.context import Mode
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.actions import BY_ID
from meterdeck.tui.arming import Arming, asks_name

LIVE = context(Mode.LIVE, name="production", arm_minutes=15)


class Watch:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_arming_counts_minutes_down_and_the_last_one_by_seconds() -> None:
    """It says how long it lasts, ends by itself, and says that it has."""
    clock = Watch()
    arming = Arming(LIVE, clock)
    assert (arming.armed, arming.words()) == (False, "NOT ARMED")
    assert "press ! to allow changes for 15 minutes" in arming.refusal()

    arming.arm()

    said = []
    for after in (0, 1, 61, 840, 841, 899.5):
        clock.now = 1000.0 + after
        said.append(arming.words())
    assert said == [
        "ARMED 15m", "ARMED 15m", "ARMED 14m", "ARMED 1m", "ARMED 59s", "ARMED 1s",
    ]  # fmt: skip
    assert arming.refusal() == ""
    clock.now = 1900.0
    assert (arming.armed, arming.red, arming.ran_out) == (False, False, True)
    assert "the time is over" in arming.refusal()


def test_a_read_only_context_is_never_armed() -> None:
    """Not by itself, where it needs no arming, and not by being told to."""
    for minutes in (0, 15):
        arming = Arming(context(Mode.LIVE, read_only=True, arm_minutes=minutes))
        arming.arm()

        assert not arming.armed
        assert "read_only = false" in arming.refusal()


def test_a_name_is_typed_for_what_undo_cannot_take_back() -> None:
    """And for each change where a live context is armed without an end."""
    endless = context(Mode.LIVE, name="production")

    assert asks_name(LIVE, beyond_undo=True)
    assert not asks_name(LIVE, beyond_undo=False)
    assert asks_name(endless, beyond_undo=False)
    assert not asks_name(context(Mode.TEST, arm_minutes=15), beyond_undo=True)


def ground_at(operator: Operator, y: int) -> str:
    """Return the colour that the beginning of a line lies on."""
    style = operator.app.screen._compositor.render_strips()[y]._segments[0].style
    return str(style and style.bgcolor)


def _set_back(operator: Operator, seconds: float) -> None:
    """Let the time of arming be nearly over, or over."""
    picture = operator.app.picture
    assert picture is not None
    picture.arming._until = picture.arming._clock() + seconds


async def test_a_live_context_is_armed_by_its_name_and_the_frame_turns_red() -> None:
    """Refused before; the name and nothing else arms; it ends under an open dialog."""
    async with operating(fleet_update(), of=LIVE, size=(80, 24)) as operator:
        assert "NOT ARMED" in operator.lines()[0]
        calm = (ground_at(operator, 0), ground_at(operator, 23))
        await operator.press("a")
        assert "press ! to allow changes for 15 minutes" in operator.notices()
        assert not operator.app.screen.query(Button)

        await operator.press("exclamation_mark")
        await operator.sees("Allow changes for 15 minutes")
        await operator.press("enter", "ctrl+s")
        assert operator.app.screen.query_one("#confirm", Button).disabled
        operator.app.screen.query_one("#typed", Input).value = "production"
        await operator.pilot.pause()
        await operator.press("ctrl+s")
        await operator.until(lambda: "ARMED 15m" in operator.lines()[0])
        assert "NOT" not in operator.lines()[0]
        red = (ground_at(operator, 0), ground_at(operator, 23))
        assert red[0] == red[1] != calm[0] != calm[1]

        await operator.press("a")
        await operator.sees("Adjust a counter")
        assert "to confirm" not in operator.text()  # undo takes it back
        await operator.type("5")
        operator.app.screen.query_one("#reason", Input).value = "why"
        await operator.until(
            lambda: not operator.app.screen.query_one("#confirm", Button).disabled
        )
        _set_back(operator, 0)
        await operator.sees("the time is over")
        await operator.press("ctrl+s")
        assert operator.app.screen.query_one("#confirm", Button).disabled
        await operator.press("escape")
        await operator.until(lambda: "NOT ARMED" in operator.lines()[0])
        assert ground_at(operator, 0) == calm[0]
        assert operator.engine.adjusted == []


async def test_a_test_context_is_armed_by_a_dialog_that_enter_does_not_confirm() -> (
    None
):
    """Cancel has the focus; `!` ends it at once, without a question."""
    async with operating(
        fleet_update(), of=context(Mode.TEST, arm_minutes=1)
    ) as operator:
        await operator.press("exclamation_mark")
        await operator.sees("Allow changes for 1 minute")
        await operator.press_anew("enter")
        await operator.until(lambda: "Allow changes" not in operator.text())
        assert "NOT ARMED" in operator.lines()[0]

        await operator.press("exclamation_mark", "ctrl+s")
        await operator.until(lambda: "TEST  ARMED" in operator.lines()[0])
        await operator.press("exclamation_mark")

        assert "NOT ARMED" in operator.lines()[0]
        assert "changes nothing any more" in operator.notices()


@pytest.mark.parametrize("name", ["read_only", "not armed"])
async def test_a_request_that_reaches_the_last_door_unarmed_is_not_sent(
    name: str,
) -> None:
    """Whichever way it has come: the gate has a second door behind it."""
    where = context(Mode.TEST, read_only=name == "read_only", arm_minutes=15)
    async with operating(fleet_update(), of=where) as operator:
        operator.app.open_dialog(BY_ID["fire"], TenantId("acme_robotics"))
        await operator.sees("Send a test event")
        assert operator.app.screen.query_one("#confirm", Button).disabled

        draft = operator.app.screen.draft(operator.app.screen.target, "")  # type: ignore[attr-defined]
        operator.app.perform(draft.request)

        assert operator.engine.fired == []


async def test_pasted_text_is_no_keys() -> None:
    """A command that lands in the console by mistake opens and changes nothing."""
    async with operating(fleet_update()) as operator:
        before = operator.app.screen
        operator.app.post_message(events.Paste("a5\n\nr\x13q!U:quit\n"))
        await operator.pilot.pause()
        await operator.pilot.pause()

        assert operator.app.screen is before
        assert operator.notices() == ""
        assert operator.engine.adjusted == []
