"""Dialogs that change something: what they show, ask and send."""

from dataclasses import replace

import pytest
from tests.tui.pictures import believable, context, counters, update
from tests.tui.support import Operator, fleet_update, operating
from textual.widgets import Button, Input

from meterdeck.core.errors import BrokenCounter, Conflict, UnknownOutcome
from meterdeck.core.model.changes import AdjustKind, Bill
from meterdeck.core.model.context import Mode
from meterdeck.core.model.usage import BilledBy, Broken, ResourceName
from meterdeck.tui.dialogs import enter_guard
from meterdeck.tui.dialogs.change import ChangeDialog
from meterdeck.tui.dialogs.outcome import OutcomeDialog
from meterdeck.tui.widgets.choice import Choice


def dialog(operator: Operator) -> ChangeDialog:
    """Return the open dialog."""
    screen = operator.app.screen
    assert isinstance(screen, ChangeDialog)
    return screen


async def open_adjust(operator: Operator, amount: str = "2500") -> ChangeDialog:
    """Open the adjust dialog and type an amount."""
    await operator.press("a")
    await operator.sees("Adjust a counter")
    await operator.type(amount)
    return dialog(operator)


async def fill(operator: Operator, field: str, text: str) -> None:
    """Go to a field and type."""
    dialog(operator).query_one(f"#{field}", Input).focus()
    await operator.type(text)


async def test_a_dialog_names_tenant_and_environment_and_shows_the_effect() -> None:
    """Before → after is there while typing, with shares."""
    async with operating(fleet_update(), of=context(Mode.TEST)) as operator:
        await open_adjust(operator)

        text = operator.text()
        assert "Northwind Traders · northwind_traders" in text
        assert "in staging TEST" in text
        assert "104,000 (104 %)  →  106,500 (106 %)" in text
        assert "a reason is missing" in text


async def test_a_confirmed_adjustment_is_sent_once_and_told() -> None:
    """The notice says before → after; the engine got what the dialog showed."""
    async with operating(fleet_update()) as operator:
        await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("ctrl+s")

        await operator.until(lambda: "93,000 → 95,500" in operator.notices())
        [(sent, operation_id)] = operator.engine.adjusted
        assert (sent.tenant, sent.resource) == ("northwind_traders", "api_calls")
        assert (sent.kind, sent.amount, sent.reason) == (AdjustKind.ADD, 2500, "credit")
        assert sent.bill is Bill.QUOTA_ONLY
        assert operation_id
        assert operator.runtime.pokes == 1


async def test_the_bill_follows_no_change_of_what_is_billed_by_events() -> None:
    """The dialog says what to do instead, and cannot be confirmed."""
    update = fleet_update()
    async with operating(update) as operator:
        assert operator.app.picture is not None
        fleet = operator.app.picture.fleet
        column = fleet.column_of(ResourceName("api_calls"))
        by_events = replace(fleet.resources[column], billed_by=BilledBy.EVENTS)
        fleet.columns[column].resource = by_events
        opened = await open_adjust(operator)
        await fill(operator, "reason", "credit")
        opened.query_one("#bill", Choice).choose(1)
        await operator.sees("api_calls is billed by events")

        assert opened.query_one("#confirm", Button).disabled


async def test_without_a_reason_nothing_is_sent() -> None:
    """Confirming is not possible, by key or by button."""
    async with operating(fleet_update()) as operator:
        opened = await open_adjust(operator)
        await operator.press("ctrl+s")

        assert opened.is_current
        assert opened.query_one("#confirm", Button).disabled
        assert not operator.engine.adjusted


async def test_enter_goes_through_the_fields_and_stops_at_cancel() -> None:
    """However often Enter is pressed, nothing is confirmed."""
    async with operating(fleet_update()) as operator:
        opened = await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("enter")

        assert operator.app.focused is opened.query_one("#cancel")
        await operator.press(*["enter"] * 5)
        assert not operator.engine.adjusted


async def test_a_held_enter_does_not_press_a_button(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeats of a held key are ignored where a press would end the dialog."""
    monkeypatch.setattr(enter_guard, "REPEAT_S", 60.0)  # however slow the machine is
    async with operating(fleet_update()) as operator:
        opened = await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("enter", "enter")

        assert opened.is_current


async def test_confirm_can_be_reached_by_an_explicit_step() -> None:
    """A step from Cancel to Confirm, then Enter."""
    async with operating(fleet_update()) as operator:
        opened = await open_adjust(operator)
        await fill(operator, "reason", "credit")
        opened.query_one("#confirm", Button).focus()
        await operator.press_anew("enter")

        await operator.until(lambda: bool(operator.engine.adjusted))


async def test_escape_changes_nothing() -> None:
    """Esc closes the dialog."""
    async with operating(fleet_update()) as operator:
        await open_adjust(operator)
        await operator.press("escape")

        assert not operator.engine.adjusted
        assert not isinstance(operator.app.screen, ChangeDialog)


async def test_a_live_context_wants_its_name_typed() -> None:
    """The name must be typed before anything can be confirmed."""
    live = context(Mode.LIVE, name="production")
    async with operating(fleet_update(), of=live) as operator:
        opened = await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("ctrl+s")
        assert "this is live: type production" in operator.text()
        assert not operator.engine.adjusted

        await fill(operator, "typed", "production")
        await operator.press("ctrl+s")
        await operator.until(lambda: bool(operator.engine.adjusted))
        assert opened.has_class("-live")


async def test_a_counter_cannot_go_below_zero() -> None:
    """The dialog refuses what the engine would refuse."""
    async with operating(fleet_update()) as operator:
        opened = await open_adjust(operator, "999999999")
        opened.query_one("#kind").focus()
        await operator.press("right")
        await fill(operator, "reason", "x")

        assert "a counter cannot go below 0" in operator.text()


async def test_the_value_before_follows_the_counter_while_the_dialog_is_open() -> None:
    """What is shown as before is the newest value."""
    async with operating(fleet_update()) as operator:
        await open_adjust(operator)
        owner = believable()[0].id
        await operator.push(update(counters=(counters(0, {owner: 50_000}),)))

        await operator.sees("50,000 (50 %)  →  52,500 (52 %)")


async def test_a_reset_sends_the_value_the_operator_saw() -> None:
    """A counter that moved in between is not reset blindly."""
    async with operating(fleet_update()) as operator:
        await operator.press("r")
        await operator.sees("104,000 (104 %)  →  0 (0 %)")
        await operator.type("test data")
        await operator.press("ctrl+s")

        await operator.until(lambda: bool(operator.engine.adjusted))
        [(sent, _)] = operator.engine.adjusted
        assert (sent.kind, sent.expected) == (AdjustKind.RESET, 104_000)


async def test_a_conflict_asks_and_only_a_second_yes_overrules_it() -> None:
    """The sentence says both values; going on drops the check, with a new id."""
    async with operating(fleet_update()) as operator:
        operator.engine.error = Conflict("API calls", 104_000, 104_007)
        await operator.press("r")
        await operator.type("test data")
        await operator.press("ctrl+s")

        await operator.sees("API calls is 104,007 now, not 104,000")
        await operator.press_anew("right", "enter")
        await operator.until(lambda: len(operator.engine.adjusted) == 2)
        (first, first_id), (second, second_id) = operator.engine.adjusted
        assert (first.expected, second.expected) == (104_000, None)
        assert first_id != second_id


async def test_a_lost_answer_is_asked_for_again_with_the_same_id() -> None:
    """Asking again cannot do it twice."""
    async with operating(fleet_update()) as operator:
        operator.engine.error = UnknownOutcome("the adjustment", "op-1")
        await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("ctrl+s")

        await operator.sees("the answer was lost")
        assert isinstance(operator.app.screen, OutcomeDialog)
        await operator.press_anew("right", "enter")
        await operator.until(lambda: len(operator.engine.adjusted) == 2)
        assert operator.engine.adjusted[0] == operator.engine.adjusted[1]


async def test_a_refusal_is_a_sentence() -> None:
    """What the engine refuses is told as it says it."""
    async with operating(fleet_update()) as operator:
        operator.engine.error = BrokenCounter("usage:a:b:2026-11", "'abc'")
        await open_adjust(operator)
        await fill(operator, "reason", "credit")
        await operator.press("ctrl+s")

        await operator.until(lambda: "holds 'abc'" in operator.notices())


async def test_a_broken_counter_cannot_be_adjusted() -> None:
    """The dialog says what the key holds and offers no confirmation."""
    async with operating(fleet_update()) as operator:
        owner = believable()[0].id
        await operator.press("down", "up")
        broken = counters(0, {owner: Broken("'abc'")})
        await operator.push(update(counters=(broken,)))
        await operator.press("a")
        opened = dialog(operator)
        opened.query_one("#resource").focus()
        while opened.target.resource.name != "api_calls":
            await operator.press("right")
        await fill(operator, "reason", "x")

        assert "the counter holds 'abc', not a whole number" in operator.text()
        assert opened.query_one("#confirm", Button).disabled


async def test_an_override_shows_both_limits_and_its_end() -> None:
    """Limit now with its rule → limit then with its expiry."""
    async with operating(fleet_update()) as operator:
        await operator.press("o")
        await operator.type("150000")
        await operator.sees("100,000 (plan)  →  150,000 until 2026-11-29 14:02")
        # What follows is read before a reason is written.
        assert "It holds at once" in await operator.sees("a reason is missing")
        await fill(operator, "reason", "until the new contract")
        await operator.press("ctrl+s")

        await operator.until(lambda: bool(operator.engine.overridden))
        assert operator.engine.overridden == [
            ("northwind_traders", 150_000, "until the new contract")
        ]


async def test_an_override_needs_an_expiry_where_the_context_wants_one() -> None:
    """`never` is refused with what would be right."""
    async with operating(fleet_update()) as operator:
        await operator.press("o")
        await operator.type("unlimited")
        field = dialog(operator).query_one("#until", Input)
        field.value = "never"

        await operator.sees("until when? write 12h, 7d, 2w or a date")


async def test_the_last_day_of_all_is_no_end_and_the_one_before_is() -> None:
    """It is what somebody types who means for ever: the dialog says what it takes."""
    async with operating(fleet_update()) as operator:
        await operator.press("o")
        await operator.type("150000")
        await fill(operator, "reason", "for ever")
        until = dialog(operator).query_one("#until", Input)
        until.value = "9999-12-31"
        await operator.sees("“9999-12-31” is no expiry; write 12h, 7d, 2w or a date")
        await operator.press("ctrl+s")
        assert not operator.engine.overridden

        until.value = "9999-12-30"
        await operator.sees("100,000 (plan)  →  150,000 until 9999-12-31 00:00")


async def test_an_override_can_be_removed() -> None:
    """What holds then is shown before it is done."""
    async with operating(fleet_update()) as operator:
        await operator.press("slash")
        await operator.type("blue harbor")
        await operator.press("enter", "o")
        opened = dialog(operator)
        opened.query_one("#do").focus()
        await operator.press("right")
        await operator.sees("120,000 (override)  →  100,000 (plan)")
        await fill(operator, "reason", "contract signed")
        await operator.press("ctrl+s")

        await operator.until(lambda: bool(operator.engine.cleared))
        assert operator.engine.cleared[0][1] == "contract signed"


async def test_a_test_event_says_what_stripe_gets() -> None:
    """Quantity and meter are named; the outcome is told."""
    async with operating(fleet_update()) as operator:
        await operator.press("t")
        await operator.sees("Stripe's meter api_requests gets 1.")
        await operator.press("ctrl+s")

        await operator.until(lambda: "accepted by Stripe" in operator.notices())
        assert operator.engine.fired == [("northwind_traders", 1, False)]


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_a_dialog_fits_a_small_terminal(size: tuple[int, int]) -> None:
    """What is needed to decide is on the screen at 80×24 and below."""
    async with operating(fleet_update(), size=size) as operator:
        await open_adjust(operator)

        text = operator.text()
        for needed in ("Northwind Traders", "SANDBOX", "→", "Cancel", "Adjust"):
            assert needed in text
