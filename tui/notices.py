"""Notices: what the console says in a corner for some seconds."""

from __future__ import annotations

from dataclasses import dataclass
from time import time

from textual.notifications import Notification, Notify, SeverityLevel

from meterdeck.core.model.text import visible
from meterdeck.tui.output.thrifty_app import ThriftyApp

_SHORT_S, _LONG_S = 6.0, 10.0
_LEAST_S = 0.05


@dataclass
class Notice(Notification):
    """A notification of which a toast can be made at any moment, however late.

    A toast starts a timer of the seconds that are left. Of less than none, as when the
    processor was busy between the look whether it has expired and its making, Textual's
    timer (8.2.8) never ends counting, and nothing else of the program has a turn again.
    Nor is one shown for longer than it should be, when the host's clock is put back.
    """

    @property
    def time_left(self) -> float:
        """Seconds that it is still to be seen: more than none, and not above all."""
        return min(max(self._left_s(), _LEAST_S), self.timeout)

    @property
    def has_expired(self) -> bool:
        """Whether it has been seen for long enough."""
        return self._left_s() <= 0

    def _left_s(self) -> float:
        return self.raised_at + self.timeout - time()


class NoticeApp(ThriftyApp):
    """A program that says what happened without being asked."""

    def say(
        self, text: str, *, title: str = "", severity: SeverityLevel = "information"
    ) -> None:
        """Show a notice; the text is data, never markup."""
        self.notify(
            visible(text, 400),
            title=visible(title, 80),
            severity=severity,
            timeout=_SHORT_S if severity == "information" else _LONG_S,
            markup=False,
        )

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show what Textual or `say` has to tell."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        notice = Notice(message, title, severity, seconds, markup=markup)
        self.post_message(Notify(notice))
