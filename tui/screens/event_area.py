"""What the screens about meter events have in common: the changes of an event."""

from __future__ import annotations

from concurrent.futures import Future
from typing import ClassVar

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.event_changes import (
    CANCELS,
    EventChange,
    EventPlan,
    begun_cancel,
)
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.tui import event_words
from meterdeck.tui.actions import Action
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen

SIGHT_S = 2.0
"""Seconds between two looks at what stands beside the delivery log."""

_CHANGES = {
    "replay": EventChange.REPLAY,
    "cancel": EventChange.CANCEL,
    "compensate": EventChange.COMPENSATE,
    "resolve": EventChange.COUNTED,
}


class EventArea(AreaScreen):
    """A screen whose changes are about one meter event."""

    class Planned(Message):
        """The engine has said what a change would do, or why it cannot be made."""

        def __init__(self, action: Action, future: Future[EventPlan]) -> None:
            self.action = action
            self.future = future
            super().__init__()

    _CHANGES: ClassVar = _CHANGES

    @property
    def chosen(self) -> LedgerEvent | None:
        """The event that changes are about."""
        return None

    @property
    def about(self) -> LedgerEvent | None:
        """The event that is copied and looked up: without a choice the newest."""
        return self.chosen

    def to_copy(self) -> list[tuple[str, str]]:
        if self.about is None:
            return []
        line = self.about.line
        return [
            ("identifier", line.event.identifier),
            ("tenant id", line.tenant),
            ("customer id", line.event.customer),
            ("request id", line.request_id),
            ("idempotency key", line.idempotency_key),
            ("message", self.about.reason),
        ]

    def stripe_object(self) -> str:
        return self.about.line.event.customer if self.about is not None else ""

    def ask(self, action: Action) -> None:
        event = self.chosen
        if event is None:
            self.console.say("choose an event first", severity="warning")
            return
        change, identifier = _change(action, event), event.line.event.identifier
        future = self.console.runtime.submit(
            lambda engine: engine.event_changes.plan(change, identifier)
        )
        tell(self, future, lambda done: self.Planned(action, done))

    def on_event_area_planned(self, message: Planned) -> None:
        from meterdeck.tui.dialogs.event import EventDialog  # noqa: PLC0415  # rare

        action, error = message.action, message.future.exception()
        if isinstance(error, MeterdeckError):
            self.console.say(str(error), title=action.label, severity="warning")
            return
        if error is not None:
            raise error
        plan, picture = message.future.result(), self.console.picture
        if plan.problem:
            self.console.say(plan.problem, title=action.label, severity="warning")
        elif picture is not None and self.on_top:
            # Whoever has opened something else meanwhile is not interrupted.
            who = event_words.tenant_of(plan.event.line, picture)
            dialog = EventDialog(picture, who, plan)
            self.app.push_screen(dialog, self.console.perform)


def _change(action: Action, event: LedgerEvent) -> EventChange:
    """Return the change that an action is; a cancellation that was begun goes on."""
    change = _CHANGES[action.id]
    return begun_cancel(event) or change if change in CANCELS else change
