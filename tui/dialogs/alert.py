"""The dialogs that see to an alert."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.alert_words import headline, resource_of
from meterdeck.core.model.alerts import LONGEST_NOTE, LONGEST_SNOOZE, Alert
from meterdeck.tui import phrases
from meterdeck.tui.alert_requests import Acknowledge, Snooze
from meterdeck.tui.alert_words import target_of, who
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.dialogs.override import parse_expiry
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Target


class AlertDialog(ChangeDialog):
    """Names the alert, and takes a note."""

    ASKS_RESOURCE = False
    ASKS_REASON = False

    def __init__(self, picture: Picture, alert: Alert) -> None:
        self._target = target_of(alert, picture)
        super().__init__(picture, self._target.tenant)
        self._alert = alert

    @property
    def target(self) -> Target:
        return self._target

    def whom(self) -> str:
        return super().whom() if self._alert.slot.tenant else who(self._alert)

    def what(self) -> str:
        return "Alert"

    def fields(self) -> Iterator[tuple[str, Widget]]:
        said = headline(self._alert, resource_of(self.picture.context, self._alert))
        yield "Alert", Static(Content(said), classes="said", markup=False)
        yield from self.more_fields()
        note = "what is being done about it; may be left out"
        yield "Note", Input(placeholder=note, id="remark", compact=True,
                            max_length=LONGEST_NOTE)  # fmt: skip

    def more_fields(self) -> Iterator[tuple[str, Widget]]:
        """Yield the fields of a dialog's own."""
        yield from ()

    def draft(self, target: Target, reason: str) -> Draft:
        state = self._alert.state_at(self.picture.now()).value
        return self.drafted(target, state)

    @abstractmethod
    def drafted(self, target: Target, state: str) -> Draft:
        """Return what the fields say now."""


class AcknowledgeDialog(AlertDialog):
    """Say that you have seen an alert."""

    TITLE_TEXT = "Acknowledge an alert"
    VERB = "Acknowledge"
    AUTO_FOCUS = "#remark"

    def drafted(self, target: Target, state: str) -> Draft:
        request = Acknowledge(target, self._alert, self.text("remark"))
        note = "It leaves the line on every screen, and stays here until it is over."
        return Draft(request, state, "acknowledged by you", note)


class SnoozeDialog(AlertDialog):
    """Have an alert be quiet until a moment."""

    TITLE_TEXT = "Snooze an alert"
    VERB = "Snooze"
    AUTO_FOCUS = "#until"

    def more_fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Until", Input("2h", placeholder="2h, 1d, 2026-12-24",
                             id="until", compact=True)  # fmt: skip

    def drafted(self, target: Target, state: str) -> Draft:
        until = self._until()
        request = Snooze(target, self._alert, until, self.text("remark"))
        after = f"quiet until {phrases.moment(until)} UTC"
        return Draft(request, state, after, "Then it is open again if it still holds.")

    def _until(self) -> datetime:
        now = self.picture.now()
        until = parse_expiry(self.text("until") or "never", now)
        if until is None or until - now > LONGEST_SNOOZE:
            raise BadInput("until when? write 2h, 1d or a date, 30 days at most")
        return until
