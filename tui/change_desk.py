"""Changes in the console: the last door before the engine, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import (
    Asked,
    Conflict,
    MeterdeckError,
    NoRight,
    UnknownOutcome,
)
from meterdeck.tui.requests import Adjust, Request, Target
from meterdeck.tui.runtime import tell

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp


class ChangeAnswered(Message):
    """A request was answered, one way or the other."""

    def __init__(self, request: Request, future: Future[str]) -> None:
        self.request = request
        self.future = future
        super().__init__()


class ChangeDesk:
    """Sends what was confirmed, and says what came of it."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app

    def barred(self) -> str:
        """Return why nothing may be changed now, one sentence; "" if it may."""
        picture = self._app.picture
        if picture is None:
            return "not connected yet, nothing was changed"
        return picture.arming.refusal()

    def perform(self, request: Request | None) -> None:
        """Send a confirmed request to the engine; its answer becomes a notice.

        The second door behind the gate: nothing is sent from a console that is not
        armed, whichever way the request has come.
        """
        if request is None:
            return
        why = self.barred()
        if why:
            self._app.say(why, title=str(request.target), severity="warning")
            return
        self._send(request)

    def _send(self, request: Request) -> None:
        actor = self._app.actor()
        future = self._app.runtime.submit(lambda engine: request.perform(engine, actor))
        tell(self._app, future, lambda done: ChangeAnswered(request, done))

    def answered(self, message: ChangeAnswered) -> None:
        """Say what came of a request, and have the screens show it."""
        app, request = self._app, message.request
        error = message.future.exception()
        app.look_anew()
        if error is None or isinstance(error, UnknownOutcome | Asked):
            app.undoing.note(request)
        if error is None:
            app.say(message.future.result(), title=str(request.target))
        elif isinstance(error, MeterdeckError):
            self._failed(request, error)
        else:
            raise error
        for screen in app.areas():
            screen.answered(request)
            if isinstance(request.target, Target):
                screen.changed(request.target.tenant.id)
            else:
                screen.resold()

    def _failed(self, request: Request, error: MeterdeckError) -> None:
        if isinstance(error, Asked):
            said = f"asked; waiting for {error.waiting_for}; Q shows it"
            self._app.say(said, title=str(request.target))
            self._app.asking.waits(error.request, str(request.target))
        elif isinstance(error, UnknownOutcome):
            # Confirmed while armed, and the same operation: it may be asked about.
            self._ask(request, error, "Ask again", self._send, request)
        elif isinstance(error, Conflict) and isinstance(request, Adjust):
            again = request.to_whatever_is_there()
            self._ask(request, error, "Do it anyway", self.perform, again)
        else:
            if isinstance(error, NoRight):
                self._app.role.refused(error)
            self._app.say(str(error), title=str(request.target), severity="error")

    def _ask(
        self,
        request: Request,
        error: MeterdeckError,
        label: str,
        perform: Callable[[Request], None],
        again: Request,
    ) -> None:
        from meterdeck.tui.dialogs.outcome import OutcomeDialog  # noqa: PLC0415  # rare

        dialog = OutcomeDialog(str(request.target), str(error), label)

        def answered(yes: bool | None) -> None:
            if yes:
                perform(again)

        self._app.push_screen(dialog, answered)
