"""The dialogs of what can be done about a meter event."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from meterdeck.core.model.event_changes import (
    CANCELS,
    EventChange,
    EventPlan,
    begun_cancel,
)
from meterdeck.core.model.events import EventSource
from meterdeck.core.model.request_foresight import Foresight
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant
from meterdeck.core.model.windows import WindowKind, next_to_close
from meterdeck.tui import event_words, phrases
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import ChangeEvent, Request, Target
from meterdeck.tui.widgets.choice import Choice

_WIDEST = 56
_TITLES = {
    EventChange.REPLAY: ("Replay an event", "Replay"),
    EventChange.CANCEL: ("Cancel an event at Stripe", "Cancel event"),
    EventChange.REBILL: ("Cancel an event at Stripe", "Cancel event"),
    EventChange.COMPENSATE: ("Compensate an event", "Compensate"),
    EventChange.COUNTED: ("Resolve an event", "Resolve"),
}
_ANSWERS = {
    EventChange.CANCEL: (
        ("do not bill them", EventChange.CANCEL),
        ("bill them again", EventChange.REBILL),
    ),
    EventChange.COUNTED: (
        ("it has counted it", EventChange.COUNTED),
        ("it has not", EventChange.NOT_COUNTED),
    ),
}


class EventDialog(ChangeDialog):
    """Say what a change of one event does, and do it.

    Args:
        plan: What the engine says of it now; it can be made.
    """

    AUTO_FOCUS = "#reason"
    ASKS_RESOURCE = False
    BEYOND_UNDO = True

    def __init__(self, picture: Picture, tenant: Tenant, plan: EventPlan) -> None:
        super().__init__(picture, tenant)
        self.TITLE_TEXT, self.VERB = _TITLES[plan.change]  # type: ignore[misc]  # of one dialog
        self._plan = plan
        resource = event_words.resource_of(plan.event.line, picture)
        self._target = Target(tenant, resource)

    @property
    def target(self) -> Target:
        return self._target

    @property
    def _change(self) -> EventChange:
        answers = self._answers
        return answers[self.chosen("how")][1] if answers else self._plan.change

    @property
    def _answers(self) -> tuple[tuple[str, EventChange], ...]:
        """What can be chosen; a cancellation that was begun goes on as it is.

        What a test event has is no counter's, which could be billed again.
        """
        event = self._plan.event
        if begun_cancel(event) or event.line.source is EventSource.TEST:
            return ()
        return _ANSWERS.get(self._plan.change, ())

    def fields(self) -> Iterator[tuple[str, Widget]]:
        line = self._plan.event.line
        yield "Event", _said(line.event.identifier)
        if said := event_words.said(self._plan.event):
            yield "Said", _said(said)
        yield "Window", _said(self._window())
        if self._answers:
            label = "Units" if self._plan.change in CANCELS else "Stripe"
            yield label, Choice([words for words, _ in self._answers], id="how")

    def _window(self) -> str:
        now, windows = self.picture.now(), self._plan.windows
        if self._plan.change in CANCELS:
            windows = tuple(w for w in windows if w.kind is WindowKind.CANCEL)
        window = next_to_close(windows, now)
        return phrases.window_words(window, now) if window else "all are closed"

    def foresight(self, request: Request) -> Foresight | None:
        from meterdeck.tui.foresight import foresight  # noqa: PLC0415  # rare

        units = self._plan.event.line.units
        return foresight(request, self.picture, units=units)

    def draft(self, target: Target, reason: str) -> Draft:
        change, event = self._change, self._plan.event
        state = event_words.state_words(event)
        value = event_words.value_words(event.line)
        request = ChangeEvent(target, change, event.line.event.identifier, reason)
        before = f"{visible(value, 24)}, {state}"
        return Draft(request, before, _AFTER[change], phrases.EVENT_EFFECTS[change])


_AFTER = {
    EventChange.REPLAY: "sent again",
    EventChange.CANCEL: "not billed",
    EventChange.REBILL: "sent again",
    EventChange.COMPENSATE: "taken back",
    EventChange.COUNTED: "accepted",
    EventChange.NOT_COUNTED: "sent again",
}


def _said(text: str) -> Static:
    shown = visible(text, _WIDEST)
    return Static(Content(shown), classes="said", markup=False)
