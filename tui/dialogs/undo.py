"""The dialog that takes a change back."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from meterdeck.core.model.changes import Bill, Undone
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.request_foresight import Foresight
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant
from meterdeck.core.model.wording import trail_words
from meterdeck.tui import phrases
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Request, Target, Undo

_WIDEST = 56


class UndoDialog(ChangeDialog):
    """Show what an audit entry did and what taking it back does.

    Args:
        foreseen: What the engine says that undoing does now.
    """

    TITLE_TEXT = "Undo a change"
    VERB = "Undo"
    AUTO_FOCUS = "#reason"
    ASKS_RESOURCE = False

    def __init__(self, picture: Picture, tenant: Tenant, foreseen: Undone) -> None:
        super().__init__(picture, tenant)
        self._foreseen = foreseen
        # The engine has found it in the same context, so that it is there.
        resource = picture.context.resource(foreseen.entry.resource)
        self._target = Target(tenant, resource)

    def foresight(self, request: Request) -> Foresight | None:
        from meterdeck.tui.foresight import foresight  # noqa: PLC0415  # rare

        return foresight(request, self.picture, undone=self._foreseen)

    @property
    def beyond_undo(self) -> bool:
        return self._foreseen.entry.bill == Bill.QUOTA_AND_BILL

    @property
    def target(self) -> Target:
        return self._target

    def fields(self) -> Iterator[tuple[str, Widget]]:
        entry, scale = self._foreseen.entry, self._target.resource.scale
        before, after = (
            visible(trail_words(text, scale), 40)
            for text in (entry.before, entry.after)
        )
        when = phrases.moment(entry.at)
        yield "Change", _said(f"{self._what}, {when} UTC")
        yield "", _said(f"{before} → {after}")
        yield "Because", _said(visible(entry.reason, 200))

    @property
    def _what(self) -> str:
        entry = self._foreseen.entry
        return f"{visible(entry.action, 20)} by {visible(entry.actor, 24)}"

    def draft(self, target: Target, reason: str) -> Draft:
        foreseen = self._foreseen
        before, after = self._values()
        request = Undo(target, foreseen.entry.id, self._what, reason)
        return Draft(request, before, after, self._note())

    def _values(self) -> tuple[str, str]:
        """Return before and after in words; a counter as it stands by now."""
        done, scale = self._foreseen, self._target.resource.scale
        was, becomes = (
            parse_counter(text.encode("utf-8", "surrogateescape"))
            for text in (done.before, done.after)
        )
        used = self.used(self._target)
        if done.entry.period and was is not None and becomes is not None:
            now = used if isinstance(used, int) else was
            return self._target.amount(now), self._target.amount(now + becomes - was)
        return (
            visible(trail_words(done.before, scale), 40),
            visible(trail_words(done.after, scale), 40),
        )

    def _note(self) -> str:
        entry = self._foreseen.entry
        if not entry.period:
            return "It holds at once, for every caller."
        if entry.bill == Bill.QUOTA_AND_BILL:
            return "What was used since stays. The bill follows, as it did then."
        return "What was used since stays. Only the quota changes, as it did then."


def _said(text: str) -> Static:
    shown = text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
    return Static(Content(shown), classes="said", markup=False)
