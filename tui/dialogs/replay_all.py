"""The dialog that replays all letters that are shown: first what it would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from meterdeck.core.model.event_changes import EventPlan
from meterdeck.core.model.text import visible
from meterdeck.tui import event_words, phrases
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import ReplayAll, Target

_WIDEST = 56
_REASONS = 3


class ReplayAllDialog(ChangeDialog):
    """Say how many letters go out again and which cannot, by their reasons.

    Args:
        plans: What the engine says of each now; at least one.
    """

    TITLE_TEXT = "Replay all letters that are shown"
    VERB = "Replay all"
    AUTO_FOCUS = "#reason"
    ASKS_RESOURCE = False
    BEYOND_UNDO = True

    def __init__(self, picture: Picture, plans: Sequence[EventPlan]) -> None:
        first = plans[0].event.line
        super().__init__(picture, event_words.tenant_of(first, picture))
        self._good = [plan for plan in plans if not plan.problem]
        self._bad = len(plans) - len(self._good)
        self._target = Target(self.tenant, event_words.resource_of(first, picture))
        letters = (plan.event.letter for plan in plans)
        self._reasons = Counter(each.reason for each in letters if each)

    @property
    def target(self) -> Target:
        return self._target

    def whom(self) -> str:
        tenants = {plan.event.line.tenant for plan in self._good}
        if len(tenants) < 2:
            return super().whom()
        return phrases.counted(len(tenants), "tenant")

    def fields(self) -> Iterator[tuple[str, Widget]]:
        for number, (reason, count) in enumerate(self._reasons.most_common(_REASONS)):
            words = visible(f"{count:,} × {reason or 'without a reason'}", _WIDEST)
            said = Static(Content(words), classes="said", markup=False)
            yield "" if number else "Said", said

    def draft(self, target: Target, reason: str) -> Draft:
        names = tuple(plan.event.identifier for plan in self._good)
        before = phrases.counted(len(names), "letter")
        if not names:
            return Draft(None, before, "", "none of them can be replayed")
        note = "Each letter's units go out again with the next flush, in a new event."
        if self._bad:
            note = f"{self._bad:,} more cannot be replayed. {note}"
        return Draft(ReplayAll(target, names, reason), before, "sent again", note)

    def what(self) -> str:
        return "Letters"
