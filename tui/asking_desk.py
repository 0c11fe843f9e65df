"""What the console was not answered yet, where changes are asked for."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.request_answers import RequestAnswer, RequestState
from meterdeck.core.model.request_rules import Changes
from meterdeck.tui.runtime import tell

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.console import ConsoleApp

ASKING_S = 2.0
"""Seconds between two looks for answers; only where changes are asked for."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was answered since the last look.

    Attributes:
        place: Up to which answer was looked; "" before the first look.
        others: Names of other people's requests that wait for approval.
        served: Whether somebody serves requests now.
    """

    place: str
    answers: tuple[RequestAnswer, ...]
    others: frozenset[str]
    served: bool


class AnswersHeard(Message):
    """The answers were looked for, or could not be."""

    def __init__(self, future: Future[Heard]) -> None:
        self.future = future
        super().__init__()


class AskingDesk:
    """Looks for answers now and then, and says those that somebody waits for."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._place = ""
        self._looking = False
        self._waiting: dict[str, str] = {}
        self._others: frozenset[str] = frozenset()

    def waits(self, request: str, about: str) -> None:
        """Say the answer to a request when it comes."""
        self._waiting[request] = about

    def look(self) -> None:
        """Ask now, unless there is no answer yet to the question before."""
        picture = self._app.picture
        if picture is None or self._looking:
            return
        if picture.context.changes is Changes.DIRECT:
            return
        self._looking, place = True, self._place

        async def job(engine: Engine) -> Heard:
            return await _listen(engine, place)

        tell(self._app, self._app.runtime.submit(job), AnswersHeard)

    def heard(self, message: AnswersHeard) -> None:
        """Say what came."""
        self._looking = False
        error = message.future.exception()
        if isinstance(error, MeterdeckError):
            return  # the header says that Redis does not answer
        found = message.future.result()
        if self._app.picture is not None:
            self._app.picture.requests_served = found.served
        first, self._place = not self._place, found.place
        for answer in found.answers:
            self._say(answer)
        more = found.others - self._others
        self._others = found.others
        if more or (first and found.others):
            count = len(found.others)
            said = "1 request waits" if count == 1 else f"{count:,} requests wait"
            self._app.say(f"{said} for approval; Q shows them", title="requests")

    def _say(self, answer: RequestAnswer) -> None:
        if answer.id not in self._waiting or not answer.state.final:
            return
        about = self._waiting.pop(answer.id)
        done = answer.state is RequestState.DONE
        by = f" ({answer.by})" if answer.by and done else ""
        self._app.say(
            f"{answer.says}{by}",
            title=about,
            severity="information" if done else "warning",
        )
        self._app.look_anew()


async def _listen(engine: Engine, place: str) -> Heard:
    desk = engine.requests
    answers: list[RequestAnswer] = []
    if not place:
        place = await desk.last_place()
    else:
        for place_, answer in await desk.answers_after(place):
            place = place_
            answers.append(answer)
    others, served = await desk.to_decide(), await desk.served()
    return Heard(place, tuple(answers), others, served)
