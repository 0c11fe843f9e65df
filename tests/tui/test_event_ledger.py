"""The ledger in the console: states, letters, one event, what is done about it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.tui import ledger_pictures as ledger
from tests.tui.pictures import believable, context, first_picture
from tests.tui.support import Operator, operating
from tests.tui.test_hostile_text import control_bytes
from textual.widgets import Button

from meterdeck.core.errors import Asked, NotFound, UnknownOutcome
from meterdeck.core.model.context import Mode
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.events import EventSource
from meterdeck.core.model.ledger import event_of_letter
from meterdeck.core.model.ledger_sight import LedgerSight
from meterdeck.tui.dialogs.event import EventDialog
from meterdeck.tui.dialogs.outcome import OutcomeDialog
from meterdeck.tui.screens.event import EventScreen
from meterdeck.tui.screens.events import EventsScreen

PAYLOADS = (
    "\x1b[31mred\x1b]52;c;AAAA\x07\x9b2J \x00\x7f\r\n\t",
    "\u202eevil \u200b\ufeff \ud800 👩\u200d🚀",
    "[@click=app.quit]quit[/nope] [$x]",
)
DEAD, LOST, ACCEPTED = (
    each.event.identifier for each in (ledger.DEAD, ledger.LOST, ledger.ACCEPTED)
)


@asynccontextmanager
async def looking(
    *,
    mode: Mode = Mode.SANDBOX,
    size: tuple[int, int] = (120, 40),
    read_only: bool = False,
) -> AsyncIterator[Operator]:
    """Open the events screen, with an accepted event in the log and two letters."""
    base = replace(first_picture(believable()), events=(ledger.ACCEPTED,))
    where = context(mode, read_only=read_only)
    async with operating(base, of=where, size=size) as operator:
        operator.engine.seen = ledger.sight()
        operator.engine.stories = {
            DEAD: ledger.story(ledger.DEAD, EventState.DEAD),
            LOST: ledger.story(ledger.LOST, EventState.AMBIGUOUS),
            ACCEPTED: ledger.story(ledger.ACCEPTED),
        }
        await operator.press("e")
        await operator.sees("1 in flight")
        yield operator


async def test_letters_are_there_though_the_log_has_lost_their_lines() -> None:
    """`l` shows what needs somebody, chosen; again, or Esc, shows everything."""
    async with looking() as operator:
        assert "No such customer" not in operator.text()

        await operator.press("l")

        await operator.sees("needs somebody")
        assert "▌" in operator.line_with("dead: No such customer")
        assert "ambiguous: no answer" in operator.text()
        assert "+1,250" not in operator.text()
        await operator.press("escape")
        await operator.sees("accepted 38 ms")
        assert isinstance(operator.app.screen, EventsScreen)


async def test_events_are_chosen_by_their_state() -> None:
    """The menu says what each state means; one key chooses it."""
    async with looking() as operator:
        for key, there, gone in (
            ("w", "in flight: Too many requests", "38 ms"),
            ("6", "dead: No such customer", "ambiguous"),
            ("d", "accepted 38 ms", "dead"),
        ):
            await operator.press("f")
            await operator.sees("a summary of Stripe's agrees")
            await operator.press(key)

            text = await operator.sees(there)
            assert gone not in text


async def test_an_event_that_was_refused_later_says_why() -> None:
    """In the list and opened; the log has of it that it was accepted."""
    async with looking() as operator:
        accepted = ledger.letter(ledger.ACCEPTED, EventState.REFUSED)
        letter = replace(accepted, reason="Customer cus_acme not found.")
        event = event_of_letter(letter, ledger.ACCEPTED)
        story = replace(operator.engine.stories[ACCEPTED], event=event)
        operator.engine.stories[ACCEPTED] = story
        operator.engine.seen = LedgerSight(letters=[letter])

        await operator.press("l")
        await operator.sees("refused: Customer cus_acme not found.")
        await operator.press("escape", "enter")

        text = await operator.sees("Sent as")
        assert "Customer cus_acme not found." in text


async def test_an_event_is_opened_in_full() -> None:
    """Windows as countdowns, every answer with its ids, what was sent; at 80×24."""
    async with looking(size=(80, 24)) as operator:
        await operator.press("enter")

        text = await operator.sees("Sent as")
        assert isinstance(operator.app.screen, EventScreen)
        assert "✓ accepted  Acme Robotics · API calls · 2026-11" in text
        assert "21 h 49 m left" in operator.line_with("cancel  ")
        assert "429" in operator.line_with("… busy")
        assert "req_p1" in operator.line_with("… busy")
        assert "Too many requests" in text
        assert "key ….8c7d6e5f" in text
        await operator.press("pagedown")
        assert '"value": "1250"' in operator.text()
        await operator.press("escape")
        assert isinstance(operator.app.screen, EventsScreen)


async def test_a_letter_is_replayed_from_a_dialog_that_says_first_what_happens() -> (
    None
):
    """Enter never confirms: Cancel has the focus last; one operation id."""
    async with looking(mode=Mode.TEST) as operator:
        await operator.press("l", "r")

        text = await operator.sees("Replay an event")
        assert "+77, dead  →  sent again" in text
        await operator.type("mended")
        await operator.press("enter")
        assert operator.app.focused is operator.app.screen.query_one("#cancel", Button)
        assert "go out again with the next flush" in operator.text()
        await operator.press("ctrl+s")

        ((change, identifier, reason, operation_id),) = operator.engine.changed
        assert (change, identifier, reason) == ("replay", DEAD, "mended")
        assert operation_id
        await operator.until(lambda: "go out again" in operator.notices())
        await operator.until(lambda: "2 letters" in operator.lines()[1])


async def test_events_are_taken_back_and_resolved() -> None:
    """Each change says what follows; the answer can be chosen where there are two."""
    async with looking() as operator:
        for keys in (
            ("j", "x", "shift+tab", "right"),
            ("c",),
            ("l", "j", "v", "shift+tab", "right"),
        ):
            await operator.press(*keys)
            assert isinstance(operator.app.screen, EventDialog)
            operator.app.screen.query_one("#reason").focus()
            await operator.press("y", "ctrl+s")
            await operator.until(
                lambda: not isinstance(operator.app.screen, EventDialog)
            )

        done = [change[:2] for change in operator.engine.changed]
        assert done == [
            ("rebill", ACCEPTED),
            ("compensate", ACCEPTED),
            ("not_counted", LOST),
        ]


async def test_a_cancellation_that_was_begun_is_shown_and_ended_as_it_was() -> None:
    """There is nothing to choose any more: its units are billed again, as was said."""
    async with looking() as operator:
        letter = ledger.letter(ledger.ACCEPTED, EventState.ACCEPTED)
        begun = replace(letter, doing="cancelling", rebill=True)
        story = ledger.story(ledger.ACCEPTED)
        operator.engine.stories[ACCEPTED] = replace(
            story, event=event_of_letter(begun, ledger.ACCEPTED)
        )
        operator.engine.seen = LedgerSight([], [begun])
        await operator.sees("accepted: being cancelled, to be")

        await operator.press("j", "x")
        text = await operator.sees("Cancel an event at Stripe")
        assert "being cancelled, to be billed again" in text
        assert "do not bill them" not in text
        await operator.type("y")
        await operator.press("ctrl+s")

        assert [change[:2] for change in operator.engine.changed] == [
            ("rebill", ACCEPTED)
        ]
        await operator.press("enter")
        await operator.sees("Sent as")
        assert "being cancelled, to be billed again" in operator.text()


async def test_a_test_event_is_cancelled_and_there_is_nothing_to_bill_again() -> None:
    """The dialog does not ask what is to become of its units."""
    async with looking() as operator:
        fired = replace(ledger.ACCEPTED, source=EventSource.TEST)
        operator.engine.stories[ACCEPTED] = ledger.story(fired)
        await operator.press("j", "x")

        text = await operator.sees("Cancel an event at Stripe")
        assert "bill them again" not in text
        await operator.type("y")
        await operator.press("ctrl+s")

        assert [change[:2] for change in operator.engine.changed] == [
            ("cancel", ACCEPTED)
        ]


async def test_all_letters_that_are_shown_are_replayed() -> None:
    """How many and why stands there first; what the filter hides is left out."""
    async with looking() as operator:
        more = ledger.letter(ledger.line(21, message="poisoned"), EventState.DEAD)
        letters = [*ledger.sight().letters.values(), more]
        operator.engine.seen = LedgerSight([], letters)
        operator.engine.stories[more.event.identifier] = ledger.story(ledger.DEAD)
        await operator.press("R")
        await operator.until(lambda: "l shows them" in operator.notices())
        await operator.press("l")
        await operator.sees("poisoned")

        await operator.press("R")
        text = await operator.sees("2 letters  →  sent again")
        assert "1 × poisoned" in text
        assert "2 tenants" in text
        await operator.press("escape", "slash")
        await operator.type("customer")
        await operator.press("enter", "R")
        await operator.sees("1 letter  →  sent again")
        await operator.press("y", "ctrl+s")

        assert [change[:2] for change in operator.engine.changed] == [("replay", DEAD)]
        await operator.until(lambda: "1 letter replayed" in operator.notices())


async def test_a_letter_that_no_worker_answers_keeps_no_other_back() -> None:
    """How many are asked for stands in the notice, beside those that go out again."""
    async with looking() as operator:
        letters = [
            ledger.letter(ledger.line(number), EventState.DEAD) for number in (21, 22)
        ]
        operator.engine.seen = LedgerSight([], letters)
        operator.engine.stories = {
            each.event.identifier: ledger.story(ledger.DEAD) for each in letters
        }
        await operator.press("l", "R")
        await operator.sees("2 letters  →  sent again")
        operator.engine.error = Asked("r-1", "a worker's answer")
        await operator.press("y", "ctrl+s")

        await operator.until(
            lambda: "1 letter replayed, 1 asked for" in operator.notices()
        )
        assert len(operator.engine.changed) == 2


async def test_what_cannot_be_done_is_one_sentence_and_no_dialog() -> None:
    """Nothing is chosen; the engine says no; the event is gone by now."""
    async with looking() as operator:
        await operator.press("x")
        await operator.until(lambda: "choose an event first" in operator.notices())
        operator.engine.problem = "it cannot be cancelled; compensate it instead"
        await operator.press("j", "x")
        await operator.until(lambda: "compensate it instead" in operator.notices())
        operator.engine.problem, operator.engine.error = "", NotFound("gone by now")
        await operator.press("x")
        await operator.until(lambda: "gone by now" in operator.notices())
        assert isinstance(operator.app.screen, EventsScreen)

        operator.engine.error = NotFound("no such event is known")
        await operator.press("enter")
        await operator.sees("no such event is known")


async def test_a_read_only_context_offers_and_does_none_of_it() -> None:
    """The one gate of every change, by key too."""
    async with looking(read_only=True) as operator:
        await operator.press("l", "r")
        await operator.until(lambda: "read-only" in operator.notices())

        assert "replay" not in operator.lines()[-1]


async def test_a_live_context_has_its_name_typed() -> None:
    """At 80×24 the dialog has room for it."""
    async with looking(mode=Mode.LIVE, size=(80, 24)) as operator:
        await operator.press("j", "x")
        await operator.sees("Cancel an event at Stripe")
        await operator.type("twice")
        await operator.press("ctrl+s")
        assert operator.engine.changed == []
        await operator.sees("this is live: type staging")
        await operator.press("tab")
        await operator.type("staging")
        await operator.press("ctrl+s")

        assert [change[0] for change in operator.engine.changed] == ["cancel"]


async def test_a_lost_answer_is_asked_again_under_the_same_id() -> None:
    """Close has the focus; asking again repeats the operation."""
    async with looking() as operator:
        await operator.press("l", "r")
        await operator.sees("Replay an event")
        operator.engine.error = UnknownOutcome("the replay", "op-1")
        await operator.type("x")
        await operator.press("ctrl+s")
        await operator.until(lambda: isinstance(operator.app.screen, OutcomeDialog))
        await operator.press_anew("right", "enter")

        first, second = operator.engine.changed
        assert first == second


async def test_no_control_byte_of_an_event_reaches_the_screen() -> None:
    """Hostile payloads, answers, identifiers: in the list, in full, in a dialog."""
    lines = [ledger.hostile(text, n) for n, text in enumerate(PAYLOADS)]
    letters = [ledger.letter(line, EventState.DEAD) for line in lines]
    base = replace(first_picture(believable()), events=tuple(lines))
    async with operating(base, size=(80, 24)) as operator:
        operator.engine.seen = LedgerSight([], letters)
        operator.engine.stories = {
            line.event.identifier: ledger.story(line, EventState.DEAD) for line in lines
        }
        await operator.press("e", "l")
        await operator.sees("needs somebody")
        assert not control_bytes(operator)
        for _ in PAYLOADS:
            await operator.press("enter", "pagedown")
            assert not control_bytes(operator)
            await operator.press("r")
            assert isinstance(operator.app.screen, EventDialog)
            assert not control_bytes(operator)
            await operator.press("escape", "escape", "j")
