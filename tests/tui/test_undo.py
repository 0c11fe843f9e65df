"""Undo in the console: what is shown, what is sent, what cannot be undone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.tui.pictures import NOW, believable, context, counters, update
from tests.tui.support import Operator, fleet_update, operating
from textual.widgets import Button, Input

from meterdeck.core.errors import NotFound, Refused, UnknownOutcome
from meterdeck.core.model.changes import AuditEntry, Bill, Undone
from meterdeck.core.model.context import Mode
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.tui.dialogs.outcome import OutcomeDialog
from meterdeck.tui.dialogs.undo import UndoDialog
from meterdeck.tui.widgets.audit_log import AuditLog

WHO = believable()[0].id
ADDED = AuditEntry(
    id="7-0", at=NOW - timedelta(minutes=5), actor="ben", origin="ssh 10.0.0.9",
    action="adjust:add", tenant=TenantId(WHO), resource=ResourceName("api_calls"),
    period="2026-11", before="93000", after="104000", reason="wrong file imported",
    bill=Bill.QUOTA_ONLY, operation_id="op", previous_hash="", hash="",
)  # fmt: skip
RAISED = replace(
    ADDED, id="5-0", action="override:set", resource=ResourceName("storage_gb"),
    period="", before="none", after="60500 until 2026-11-27T18:00:00Z",
    reason="incident", bill="",
)  # fmt: skip
TAKEN_BACK = Undone(ADDED, "adjust:subtract", "104000", "93000", "", replayed=False)
CLEARED = Undone(RAISED, "override:clear", RAISED.after, "none", "", replayed=False)


async def open_undo(operator: Operator, foreseen: Undone = TAKEN_BACK) -> UndoDialog:
    """Press the key and return the dialog."""
    operator.engine.foreseen = {None: foreseen, foreseen.entry.id: foreseen}
    await operator.press("u")
    await operator.sees("Undo a change")
    screen = operator.app.screen
    assert isinstance(screen, UndoDialog)
    return screen


async def confirm(operator: Operator, reason: str = "ben asked") -> None:
    """Give a reason and confirm."""
    await operator.type(reason)
    await operator.press("ctrl+s")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_dialog_says_what_was_done_and_what_undoing_does(
    size: tuple[int, int],
) -> None:
    """Object, environment, who changed what and why, before → after."""
    staging = context(Mode.TEST)
    async with operating(fleet_update(), of=staging, size=size) as operator:
        await open_undo(operator)

        text = operator.text()
        assert "Northwind Traders · northwind_traders" in text
        assert "in staging TEST" in text
        assert "adjust:add by ben, 2026-11-22 13:57 UTC" in text
        assert "93,000 → 104,000" in text
        assert "wrong file imported" in text
        assert "API calls  104,000  →  93,000" in text
        assert "a reason is missing" in text
        await operator.type("x")
        await operator.sees("What was used since stays")


async def test_a_confirmed_undo_is_sent_once_and_told() -> None:
    """The notice says before → after, and what was undone."""
    async with operating(fleet_update()) as operator:
        await open_undo(operator)
        await confirm(operator)

        await operator.until(lambda: bool(operator.engine.undone))
        [(entry, reason, operation_id)] = operator.engine.undone
        assert (entry, reason) == ("7-0", "ben asked")
        assert operation_id
        await operator.until(lambda: "104,000 → 93,000" in operator.notices())
        assert "adjust:add by ben is undone" in operator.notices()


async def test_enter_stops_at_cancel_and_undoes_nothing() -> None:
    """However often it is pressed."""
    async with operating(fleet_update()) as operator:
        opened = await open_undo(operator)
        await operator.type("because")
        await operator.press("enter")
        assert operator.app.focused is opened.query_one("#cancel")

        await operator.press(*["enter"] * 4)
        assert not operator.engine.undone


async def test_without_a_reason_nothing_is_undone() -> None:
    """The trail wants to know why."""
    async with operating(fleet_update()) as operator:
        opened = await open_undo(operator)
        await operator.press("ctrl+s")

        assert opened.query_one("#confirm", Button).disabled
        assert not operator.engine.undone


async def test_a_live_context_wants_its_name_typed_to_undo() -> None:
    """As for every change."""
    live = context(Mode.LIVE, name="production")
    async with operating(fleet_update(), of=live) as operator:
        opened = await open_undo(operator)
        await confirm(operator)
        assert not operator.engine.undone

        opened.query_one("#typed", Input).value = "production"
        await operator.press("ctrl+s")
        await operator.until(lambda: bool(operator.engine.undone))


async def test_the_value_follows_the_counter_while_the_dialog_is_open() -> None:
    """What is used meanwhile stays: the difference is taken from what is there."""
    async with operating(fleet_update()) as operator:
        await open_undo(operator)
        await operator.push(update(counters=(counters(0, {WHO: 104_250}),)))

        await operator.sees("API calls  104,250  →  93,250")


async def test_an_override_is_undone_in_its_own_words() -> None:
    """Limits in the resource's units, no override named as such."""
    async with operating(fleet_update()) as operator:
        await open_undo(operator, CLEARED)

        text = operator.text()
        assert "Storage  60.5 until 2026-11-27 18:00  →  no override" in text


@pytest.mark.parametrize(
    "error",
    [
        NotFound("acme has no change that can be undone"),
        Refused("entry 7-0 was undone before, by ana"),
    ],
)
async def test_what_cannot_be_undone_is_a_sentence_and_no_dialog(
    error: NotFound | Refused,
) -> None:
    """Nothing to undo, or undone before: said at once."""
    async with operating(fleet_update()) as operator:
        operator.engine.error = error
        await operator.press("u")

        await operator.until(lambda: str(error) in operator.notices())
        assert not isinstance(operator.app.screen, UndoDialog)


async def test_an_undo_that_somebody_else_did_meanwhile_is_a_sentence() -> None:
    """Between the dialog and its answer."""
    async with operating(fleet_update()) as operator:
        await open_undo(operator)
        operator.engine.error = Refused("entry 7-0 was undone before, by ana")
        await confirm(operator)

        await operator.until(lambda: "undone before, by ana" in operator.notices())


async def test_a_lost_answer_to_an_undo_is_asked_for_with_the_same_id() -> None:
    """Asking again cannot undo it twice."""
    async with operating(fleet_update()) as operator:
        await open_undo(operator)
        operator.engine.error = UnknownOutcome("the undo of entry 7-0", "op-1")
        await confirm(operator)

        await operator.sees("the answer was lost")
        assert isinstance(operator.app.screen, OutcomeDialog)
        await operator.press_anew("right", "enter")
        await operator.until(lambda: len(operator.engine.undone) == 2)
        assert operator.engine.undone[0] == operator.engine.undone[1]


async def test_an_entry_of_the_trail_can_be_chosen_to_be_undone() -> None:
    """Down chooses, `u` undoes that one; above the newest none is chosen."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (ADDED, RAISED)
        operator.engine.foreseen = {None: TAKEN_BACK, "7-0": TAKEN_BACK, "5-0": CLEARED}
        await operator.press("enter")
        await operator.sees("wrong file imported")
        log = operator.app.screen.query_one(AuditLog)
        await operator.press("down", "down")
        assert log.chosen == "5-0"
        assert "u undoes the chosen one" in operator.text()

        await operator.press("u")
        await operator.sees("override:set by ben")
        await operator.press("escape", "up", "up")
        assert log.chosen is None


async def test_a_long_trail_scrolls_to_the_chosen_entry() -> None:
    """The chosen entry is on the screen wherever it stands."""
    trail = tuple(
        replace(ADDED, id=f"{n}-0", reason=f"no {n}") for n in range(90, 0, -1)
    )
    async with operating(fleet_update(), size=(80, 24)) as operator:
        operator.engine.trail = trail
        await operator.press("enter")
        await operator.sees("no 90")
        await operator.press(*["down"] * 12)

        assert "no 79" in operator.text()


async def test_the_trail_shows_what_was_undone_and_whole_units() -> None:
    """An entry that was taken back says so; quantities have the resource's scale."""
    back = replace(RAISED, id="9-0", before=RAISED.after, after="none", undoes="5-0")
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (back, RAISED)
        await operator.press("enter")
        text = await operator.sees("undone · incident")

        assert "undo · incident" in text
        assert "no override → 60" in text


async def test_the_last_change_of_this_console_is_taken_back_from_anywhere() -> None:
    """Whosever it was about and whatever others did since; what has no undo says so."""
    async with operating(fleet_update(), of=context(Mode.TEST)) as operator:
        await operator.press("U")
        assert "nothing was changed from this console yet" in operator.notices()
        await operator.press("a")
        await operator.sees("Adjust a counter")
        await operator.type("5")
        operator.app.screen.query_one("#reason", Input).value = "why"
        await operator.press("ctrl+s")
        await operator.until(lambda: bool(operator.engine.adjusted))
        mine = replace(ADDED, operation_id=operator.engine.adjusted[0][1])
        later = replace(ADDED, id="8-0", operation_id="somebody else's")
        operator.engine.trail = (later, mine)
        operator.engine.foreseen = {mine.id: replace(TAKEN_BACK, entry=mine)}

        await operator.press("e", "U")
        await operator.sees("Undo a change")
        assert "104,000" in operator.text()
        await confirm(operator)
        assert [undone[0] for undone in operator.engine.undone] == [mine.id]
        await operator.press("escape", "t")
        await operator.sees("Send a test event")
        await operator.press("ctrl+s")
        await operator.until(lambda: bool(operator.engine.fired))
        await operator.press("U")
        assert "has no undo; e shows it, and x cancels it" in operator.notices()
