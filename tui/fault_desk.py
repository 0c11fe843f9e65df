"""What the console knows of the sandbox's fault panel, and asks of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Mode
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.tui import phrases
from meterdeck.tui.runtime import tell

if TYPE_CHECKING:
    from meterdeck.core.adapters.sandbox_control import SandboxControl
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.console import ConsoleApp

LOOK_S = 2.0
"""Seconds between two looks while no screen looks by itself."""
_TITLE = "faults"


class FaultsSeen(Message):
    """The panel has answered, or could not be asked."""

    def __init__(self, future: Future[FaultSight], *, asked: bool) -> None:
        self.future = future
        self.asked = asked
        super().__init__()


class Settled(Message):
    """What shows later shows now."""

    def __init__(self, future: Future[int]) -> None:
        self.future = future
        super().__init__()


class FaultDesk:
    """Asks the panel and keeps what it said in the picture; no call waits.

    Attributes:
        problem: Why the last look showed nothing; empty while it does.
    """

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._looking = False
        self.problem = ""

    def look(self) -> None:
        """See what is set, in a sandbox."""
        picture = self._app.picture
        if picture is None or self._looking:
            return
        if picture.context.mode is Mode.SANDBOX:
            self._looking = True
            self._ask(lambda control: control.look(), asked=False)

    def change(self, changes: Mapping[str, object]) -> None:
        """Change some settings."""
        if self._may():
            self._ask(lambda control: control.change(changes), asked=True)

    def clear(self) -> None:
        """Turn everything off."""
        if self._may():
            self._ask(lambda control: control.clear(), asked=True)

    def _may(self) -> bool:
        """Whether anything may be changed now; says why not."""
        why = self._app.changing.barred()
        if why:
            self._app.say(why, title=_TITLE, severity="warning")
        return not why

    def settle(self) -> None:
        """Show now what shows later."""
        if not self._may():
            return

        async def job(engine: Engine) -> int:
            return await engine.faults().settle()

        future = self._app.runtime.submit(job)
        tell(self._app, future, Settled)

    def _ask(
        self, ask: Callable[[SandboxControl], Awaitable[FaultSight]], *, asked: bool
    ) -> None:
        async def job(engine: Engine) -> FaultSight:
            return await ask(engine.faults())

        future = self._app.runtime.submit(job)
        tell(self._app, future, lambda done: FaultsSeen(done, asked=asked))

    def seen(self, message: FaultsSeen) -> bool:
        """Take an answer in; tell whether the picture has another one now."""
        if not message.asked:
            self._looking = False
        picture, error = self._app.picture, message.future.exception()
        if picture is None:
            return False
        if isinstance(error, MeterdeckError):
            self._fail(error, loud=message.asked)
            return True
        if error is not None:
            raise error
        sight, before = message.future.result(), picture.faults
        # A look that was on its way while something was changed tells what was before.
        if before is not None and sight.since < before.since:
            return False
        picture.faults, self.problem = sight, ""
        return True

    def _fail(self, error: MeterdeckError, *, loud: bool) -> None:
        if loud:
            self._app.say(str(error), title=_TITLE, severity="warning")
            return
        self.problem = str(error)
        if self._app.picture is not None:
            self._app.picture.faults = None

    def settled(self, message: Settled) -> None:
        """Say how much came to light."""
        error = message.future.exception()
        if isinstance(error, MeterdeckError):
            self._app.say(str(error), title=_TITLE, severity="warning")
        elif error is not None:
            raise error
        else:
            count = message.future.result()
            thing = phrases.counted(count, "thing shows", "things show")
            said = f"{thing} now that would have later" if count else "nothing waited"
            self._app.say(said, title="settle")
