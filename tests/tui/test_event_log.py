"""The meter-event log: newest on top, bounded, held and followed."""

from datetime import timedelta

from tests.tui.pictures import NOW, believable, first_picture, logged, update
from tests.tui.support import Operator, operating

from meterdeck.core.model.events import EventOutcome
from meterdeck.tui.picture import EventTail
from meterdeck.tui.screens.events import EventsScreen
from meterdeck.tui.widgets.event_log import EventLog

ACME, *_ = (one for one in believable() if one.name == "Acme Robotics")


def log(operator: Operator) -> EventLog:
    """Return the log on the current screen."""
    return operator.app.screen.query_one(EventLog)


def test_the_tail_keeps_a_bounded_number() -> None:
    """Memory does not grow with the events."""
    tail = EventTail(kept=100)
    for _ in range(30):
        tail.take(update(events=tuple(logged(ACME) for _ in range(10))))

    assert len(tail) == 100
    assert tail.seen == 300


def test_newest_come_first_and_can_be_chosen_by_tenant_and_text() -> None:
    """The filter looks at what an operator reads, in any case."""
    tail = EventTail()
    refused = logged(ACME, outcome=EventOutcome.REFUSED, message="No such meter")
    first, last = logged(ACME, value="1"), logged(ACME, value="3")
    tail.take(update(events=(first, refused, last)))

    assert tail.newest(2) == [last, refused]
    assert tail.newest(9, text="no such METER") == [refused]
    assert tail.newest(9, tenant=believable()[0].id) == []


def test_a_held_tail_does_not_move() -> None:
    """What came after the hold is left out."""
    tail = EventTail()
    tail.take(update(events=(logged(ACME, value="1"),)))
    held = tail.seen
    tail.take(update(events=(logged(ACME, value="2"),)))

    assert [event.event.value for event in tail.newest(9, until=held)] == ["1"]


async def test_new_events_come_in_on_top() -> None:
    """The log beside the detail follows the newest."""
    async with operating(first_picture(believable())) as operator:
        await operator.push(update(events=(logged(ACME, value="4711"),)))

        await operator.sees("+4,711")


async def test_dropped_events_are_counted_on_the_screen() -> None:
    """A log that does not keep up says how much it left out."""
    async with operating(first_picture(believable())) as operator:
        await operator.push(update(events=(logged(ACME),), dropped_events=1800))

        await operator.sees("1,800 dropped")


async def test_the_events_screen_pauses_and_follows() -> None:
    """Space holds the list, counts what is newer, and goes on."""
    async with operating(first_picture(believable())) as operator:
        await operator.press("e")
        await operator.until(lambda: isinstance(operator.app.screen, EventsScreen))
        await operator.press("space")
        await operator.push(update(events=(logged(ACME, value="4711"),)))
        await operator.sees("paused, 1 newer")
        assert "+4,711" not in operator.text()

        await operator.press("space")
        await operator.sees("+4,711")


async def test_scrolling_holds_the_list() -> None:
    """Somebody who reads older events is not pushed along."""
    async with operating(first_picture(believable())) as operator:
        await operator.press("e", "j")

        await operator.sees("paused, 0 newer")
        await operator.press("g")
        await operator.sees("following")


async def test_the_wheel_goes_no_further_than_there_are_events() -> None:
    """A tenant's few events stay on the screen, however many others have."""
    others = [logged(believable()[0]) for _ in range(200)]
    events = (*others, logged(ACME, value="4711"))
    base = first_picture(believable(), NOW - timedelta(seconds=5))
    async with operating(base, update(events=events)) as operator:
        await operator.press("e", "slash")
        await operator.type(ACME.id)
        await operator.press("enter")
        shown = log(operator)
        for _ in range(9):
            shown.scroll_by(3)

        assert "+4,711" in operator.text()
        assert shown.held is None
        await operator.press("escape")
        shown.scroll_by(3)
        await operator.sees("paused, 0 newer")
        for _ in range(99):
            shown.scroll_by(3)
        assert len(shown.shown_lines()) == shown.size.height - 1


async def test_the_events_screen_filters() -> None:
    """Only matching events stay; Esc drops the filter, Esc again goes back."""
    async with operating(first_picture(believable())) as operator:
        await operator.press("e", "slash")
        await operator.type("refused")
        await operator.until(lambda: "accepted" not in operator.text())
        assert "no meter named images" in operator.text()

        await operator.press("escape")
        await operator.until(lambda: "accepted" in operator.text())
        await operator.press("escape")
        assert not isinstance(operator.app.screen, EventsScreen)


async def test_a_tenants_screen_shows_only_its_own_events() -> None:
    """The log of one tenant leaves the others out."""
    other = believable()[0]
    events = (logged(ACME, value="111"), logged(other, value="222"))
    base = first_picture(believable(), NOW - timedelta(seconds=5))
    async with operating(base, update(events=events)) as operator:
        await operator.press("enter")

        text = await operator.sees("+222")
        assert "+111" not in text
