"""What the console says in a corner: shown for some seconds, and never in the way."""

import pytest
from tests.tui.support import fleet_update, operating
from textual.notifications import Notification
from textual.widgets._toast import Toast

from meterdeck.tui.notices import Notice


@pytest.mark.timeout(60)
async def test_a_toast_that_is_made_too_late_stops_nothing() -> None:
    """Textual's own would count for ever, and the console take no key any more."""
    async with operating(fleet_update(5)) as operator:
        operator.app.say("Done.")
        await operator.notices_say("Done.")
        (notice,) = operator.app._notifications
        notice.raised_at -= notice.timeout + 0.001

        await operator.app.screen.mount(late := Toast(notice))
        await operator.until(lambda: not late.is_attached, "the toast is gone")

        await operator.press("question_mark")
        await operator.sees("keys")


async def test_whatever_is_notified_is_such_a_notice() -> None:
    """Also what Textual itself has to say."""
    async with operating(fleet_update(5)) as operator:
        operator.app.notify("of Textual")
        operator.app.screen.notify("of a widget", timeout=1)
        await operator.notices_say("of Textual")
        await operator.notices_say("of a widget")

        assert {type(each) for each in operator.app._notifications} == {Notice}


@pytest.mark.parametrize(
    ("age_s", "left_s", "expired"),
    [
        pytest.param(2.0, 3.0, False, id="shown for a while"),
        pytest.param(5.5, 0.0, True, id="too late"),
        pytest.param(-3600.0, 5.0, False, id="the clock was put back"),
    ],
)
def test_what_is_left_is_more_than_none_and_not_above_all(
    age_s: float, left_s: float, expired: bool
) -> None:
    """However old it is, by a clock that may jump."""
    notice = Notice("x", timeout=5.0)
    notice.raised_at -= age_s

    assert notice.has_expired is expired
    assert notice.time_left > 0
    assert notice.time_left == pytest.approx(left_s, abs=0.5)
    assert isinstance(notice, Notification)
