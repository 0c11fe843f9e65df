"""The menu of states: which meter events are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import STATE_WORDS
from meterdeck.core.model.ledger import NEEDING
from meterdeck.tui.dialogs.menu import Entry, Menu
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


class StatesDialog(Menu[Shown]):
    """Returns what to show."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f", "close", show=False)]

    def __init__(self, shown: Shown) -> None:
        super().__init__(
            "Show",
            [Entry(each.key, each, _prompt(each, shown)) for each in CHOICES],
            highlighted=CHOICES.index(shown) if shown in CHOICES else 0,
        )


def _prompt(choice: Shown, shown: Shown) -> Content:
    sign, role = " ", ""
    if len(choice.states) == 1:
        (state,) = choice.states
        sign, tint = STATES[state]
        role = f"$md-{tint}"
    mark = "•" if choice == shown else " "
    return Content.assemble(
        (f" {choice.key:<2}", "$md-accent"),
        (f"{sign} ", role) if role else f"{sign} ",
        f"{choice.name:<16}",
        (f"{choice.note:<28} {mark}", "$md-muted"),
    )
