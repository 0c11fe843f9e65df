"""The menu of states: which meter events are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import STATE_WORDS
from meterdeck.core.model.ledger import NEEDING
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.event_words import STATES


@dataclass(frozen=True, slots=True)
class Shown:
    """States to show, and what they are together; no states are all of them."""

    key: str
    name: str
    note: str
    states: frozenset[EventState] = frozenset()


EVERYTHING = Shown("e", "everything", "each line of the delivery log")
LETTERS = Shown(
    "l", "needs somebody", "refused, dead or ambiguous",
    NEEDING,
)  # fmt: skip
_WAITING = Shown(
    "w", "on its way", "queued or in flight",
    frozenset({EventState.QUEUED, EventState.IN_FLIGHT}),
)  # fmt: skip
_DELIVERED = Shown(
    "d", "delivered", "accepted or confirmed",
    frozenset({EventState.ACCEPTED, EventState.CONFIRMED}),
)  # fmt: skip
_NOTES = {
    EventState.QUEUED: "track() has it, no worker yet",
    EventState.IN_FLIGHT: "claimed, not settled",
    EventState.ACCEPTED: "Stripe has it",
    EventState.CONFIRMED: "a summary of Stripe's agrees",
    EventState.REFUSED: "accepted, then not counted",
    EventState.DEAD: "never accepted",
    EventState.CANCELLED: "taken out of the bill",
    EventState.AMBIGUOUS: "sent, never answered",
}
_SINGLE = tuple(
    Shown(str(number), STATE_WORDS[state], note, frozenset({state}))
    for number, (state, note) in enumerate(_NOTES.items(), 1)
)
CHOICES = (EVERYTHING, LETTERS, _WAITING, _DELIVERED, *_SINGLE)


class StatesDialog(Dialog["Shown | None"]):
    """Returns what to show."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f", "close", "Close"),
        Binding("j", "move(1)", "Next state", show=False),
        Binding("k", "move(-1)", "Previous state", show=False),
    ]

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="menu"):
            yield Static("Show", classes="title", markup=False)
            options = [Option(self._prompt(choice)) for choice in CHOICES]
            yield OptionList(*options, markup=False, compact=True)

    def _prompt(self, choice: Shown) -> Content:
        sign, role = " ", ""
        if len(choice.states) == 1:
            (state,) = choice.states
            sign, tint = STATES[state]
            role = f"$md-{tint}"
        mark = "•" if choice == self._shown else " "
        return Content.assemble(
            (f" {choice.key:<2}", "$md-accent"),
            (f"{sign} ", role) if role else f"{sign} ",
            f"{choice.name:<16}",
            (f"{choice.note:<25}{mark}", "$md-muted"),
        )

    def on_mount(self) -> None:
        menu = self.query_one(OptionList)
        menu.highlighted = CHOICES.index(self._shown) if self._shown in CHOICES else 0
        menu.focus()

    def action_move(self, by: int) -> None:
        menu = self.query_one(OptionList)
        if by > 0:
            menu.action_cursor_down()
        else:
            menu.action_cursor_up()

    def action_close(self) -> None:
        self.dismiss(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(CHOICES[event.option_index])

    def on_key(self, event: events.Key) -> None:
        for choice in CHOICES:
            if event.key == choice.key:
                event.stop()
                self.dismiss(choice)
