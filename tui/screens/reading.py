"""A screen that shows what the engine is asked for, again every few seconds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

T = TypeVar("T")


class ReadingScreen(AreaScreen, Generic[T]):
    """Asks the engine by `read`, and shows the answer by `show_read`.

    One question at a time, and only while the screen is on top. What was read last
    stays on the screen while the engine cannot answer.
    """

    EVERY_S: ClassVar[float] = 5.0
    """Seconds between two questions."""

    class Read(Message):
        """The engine has answered, or could not."""

        def __init__(self, future: Future[Any]) -> None:
            self.future = future
            super().__init__()

    _asking = False

    @abstractmethod
    async def read(self, engine: Engine) -> T:
        """Ask the engine; runs in its thread, so it touches no widget."""

    @abstractmethod
    def show_read(self, answer: T) -> None:
        """Show an answer."""

    @abstractmethod
    def show_problem(self, problem: str) -> None:
        """Say in one sentence why there is no answer; "" when there is one again."""

    def on_mount(self) -> None:
        self.set_interval(self.EVERY_S, self.ask_engine)

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.ask_engine()

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.ask_engine()

    def changed(self, tenant: TenantId) -> None:
        self.ask_engine()

    def ask_engine(self) -> None:
        """Ask now, unless there is no answer yet to the question before."""
        if self._asking or not self.on_top or self.console.picture is None:
            return
        self._asking = True
        future = self.console.runtime.submit(self._job)
        tell(self, future, self.Read)

    def _job(self, engine: Engine) -> Awaitable[T]:
        return self.read(engine)

    def on_reading_screen_read(self, message: Read) -> None:
        self._asking = False
        error = message.future.exception()
        if error is None:
            self.show_problem("")
            self.show_read(message.future.result())
        elif isinstance(error, MeterdeckError):
            self.show_problem(str(error))
        else:
            raise error
