"""Somebody in front of a console on a scripted engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic

from tests.support import leaks
from tests.tui.pictures import ACTOR, NOW, believable, context, first_picture
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.scripted_runtime import ScriptedRuntime
from textual.pilot import Pilot

from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.dialogs.enter_guard import REPEAT_S


def console(runtime: ScriptedRuntime, **environ: str) -> ConsoleApp:
    """Return a console on a scripted engine, in a terminal with all colours."""
    known = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environ
    return ConsoleApp(runtime, actor=lambda: ACTOR, environ=known)


class Operator:
    """Somebody in front of a running console: presses keys, reads the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], runtime: ScriptedRuntime):
        self.app = app
        self.pilot = pilot
        self.runtime = runtime

    @property
    def engine(self) -> ScriptedEngine:
        return self.runtime.engine

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    def text(self) -> str:
        """Return the whole screen."""
        return "\n".join(self.lines())

    def line_with(self, text: str) -> str:
        """Return the first line that contains a text."""
        for line in self.lines():
            if text in line:
                return line
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text()}")

    def notices(self) -> str:
        """Return what the notices say, unwrapped."""
        return "\n".join(
            f"{notice.title}: {notice.message}" for notice in self.app._notifications
        )

    async def notices_say(self, text: str) -> None:
        """Wait until a notice says this."""
        await self.until(lambda: text in self.notices(), f"a notice of {text!r}")

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def press_anew(self, *keys: str) -> None:
        """Press keys as somebody does who has let go of the ones before."""
        guard = self.app.screen._enter  # type: ignore[attr-defined]  # of every dialog
        await self.until(lambda: monotonic() - guard._at >= REPEAT_S)
        await self.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*("space" if ch == " " else ch for ch in text))

    async def push(self, one: WatchUpdate) -> None:
        """Let the engine report something."""
        before = self.runtime.consumed
        self.runtime.push(one)
        await self.until(lambda: self.runtime.consumed > before)

    async def sees(self, text: str) -> str:
        """Wait until the screen contains a text; return the screen."""
        await self.until(lambda: text in self.text(), f"{text!r}")
        return self.text()

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for a condition, half a minute at most."""
        deadline = monotonic() + 30
        while not condition():
            if monotonic() > deadline:
                raise AssertionError(f"waited for {what}:\n{self.text()}")
            await self.pilot.pause(0.01)


@asynccontextmanager
async def operating(
    *updates: WatchUpdate,
    of: Context | None = None,
    size: tuple[int, int] = (120, 40),
    **environ: str,
) -> AsyncIterator[Operator]:
    """Run a console on scripted updates, with somebody in front of it."""
    runtime = ScriptedRuntime(of or context(), *updates)
    app = console(runtime, **environ)
    async with app.run_test(size=size, notifications=True) as pilot:
        operator = Operator(app, pilot, runtime)
        await operator.until(lambda: runtime.consumed >= len(updates), "the updates")
        await pilot.pause()
        await pilot.pause()
        yield operator
        leaks.produced(operator.text() + operator.notices())


def fleet_update(count: int = 26, at: datetime = NOW) -> WatchUpdate:
    """Return the first picture of a believable fleet."""
    return first_picture(believable(count), at)
