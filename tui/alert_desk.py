"""What the console knows of alerts, for the line on every screen."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.tui.runtime import tell

if TYPE_CHECKING:
    from meterdeck.core.model.alert_sight import AlertSight
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.console import ConsoleApp

ALERTS_S = 10.0
"""Seconds between two looks at the alerts that are not over."""


class AlertsSeen(Message):
    """The alerts were looked at, or could not be."""

    def __init__(self, future: Future[AlertSight]) -> None:
        self.future = future
        super().__init__()


class AlertDesk:
    """Asks the engine now and then and keeps the answer in the picture.

    What was seen last stays while Redis does not answer.
    """

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._looking = False

    def look(self) -> None:
        """Ask now, unless there is no answer yet to the question before."""
        if self._app.picture is None or self._looking:
            return
        self._looking = True

        def job(engine: Engine) -> Awaitable[AlertSight]:
            return engine.alerts.look()

        tell(self._app, self._app.runtime.submit(job), AlertsSeen)

    def seen(self, message: AlertsSeen) -> bool:
        """Take an answer in; tell whether the picture has another one now."""
        self._looking = False
        picture, error = self._app.picture, message.future.exception()
        if error is not None and not isinstance(error, MeterdeckError):
            raise error
        if error is not None or picture is None:
            return False
        before, picture.alerts = picture.alerts, message.future.result()
        return before is None or before.open != picture.alerts.open
