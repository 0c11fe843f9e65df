"""The shift handoff: gathered once, written to a new file, and shown to be read."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from meterdeck.core.errors import MeterdeckError, Refused
from meterdeck.core.model.handoff_markdown import handoff_markdown
from meterdeck.core.model.wording import minute
from meterdeck.core.services.handoff import Gathered, handoff_of
from meterdeck.core.settings import state_dir
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.clipboard import Lines
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.seen_health import seen_in
from meterdeck.tui.taking.files import stem_of, write_new
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.handoff_view import HandoffView
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar

SHIFT = timedelta(hours=8)
"""A shift is at least so long, and no longer than `LONGEST`."""
LONGEST = timedelta(hours=24)


class HandoffScreen(AreaScreen):
    """Gathers when it is opened; `M` again gathers anew."""

    AREA = Area.HANDOFF
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.HANDOFF),
        Binding("down,j", "scroll(1)", "Further down", show=False, id="list_down"),
        Binding("up,k", "scroll(-1)", "Further up", show=False, id="list_up"),
        Binding(
            "pagedown,ctrl+f",
            "scroll(20)",
            "Much further down",
            show=False,
            id="list_page_down",
        ),
        Binding(
            "pageup,ctrl+b",
            "scroll(-20)",
            "Much further up",
            show=False,
            id="list_page_up",
        ),
        Binding("g,home", "scroll(-9999)", "To the top", show=False, id="list_first"),
        Binding("G,end", "scroll(9999)", "To the end", show=False, id="list_last"),
    ]

    class Gathered(Message):
        """Everything was gathered, or could not be."""

        def __init__(self, future: Future[Gathered]) -> None:
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.markdown = ""
        self.path: Path | None = None
        self._gathering = False

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield HandoffView()
        yield KeyBar(self.AREA)

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.do_handoff()

    def to_copy(self) -> list[tuple[str, str]]:
        return [
            ("the note, in Markdown", Lines(self.markdown)),
            ("the file's path", str(self.path or "")),
        ]

    # -- gathering -------------------------------------------------------------

    def do_handoff(self) -> None:
        picture = self.console.picture
        if self._gathering or picture is None:
            return
        self._gathering = True
        self.query_one(HandoffView).say("gathering …")
        since = shift_start(picture)
        seen = seen_in(picture)
        future = self.console.runtime.submit(
            lambda engine: engine.gather_handoff(since, seen)
        )
        tell(self, future, self.Gathered)

    def on_handoff_screen_gathered(self, message: Gathered) -> None:
        self._gathering = False
        picture, error = self.console.picture, message.future.exception()
        if isinstance(error, MeterdeckError):
            self.query_one(HandoffView).say(f"nothing was written: {error}")
            return
        if error is not None or picture is None:
            raise error or AssertionError("gathered before there was a picture")
        gathered, actor = message.future.result(), self.console.actor()
        handoff = handoff_of(
            gathered, picture.fleet, picture.context, actor, unread=_unread(picture)
        )
        self.markdown = handoff_markdown(handoff)
        self._write(stem_of(handoff.context, "handoff", handoff.at))

    def _write(self, stem: str) -> None:
        """Write a new file: here, or in the state folder where here cannot be."""
        view = self.query_one(HandoffView)
        self.path, why = None, ""
        for folder in (Path(), state_dir()):
            try:
                self.path = write_new(folder, stem, ".md", self.markdown)
                break
            except Refused as problem:
                why = str(problem)
        view.show(self.markdown, str(self.path) if self.path else f"no file: {why}")

    def action_scroll(self, lines: int) -> None:
        self.query_one(HandoffView).scroll_by(lines)


def _unread(picture: Picture) -> str:
    """Return why a picture does not say how counters are now; "" where it does."""
    if picture.counters_at is None:
        return "the console had not read the counters yet"
    if picture.stale:
        newest = minute(picture.counters_at)
        return f"Redis did not answer: the console has counters of {newest} UTC"
    return ""


def shift_start(picture: Picture) -> datetime:
    """Return when the shift began: with the console, within reason."""
    now = picture.now()
    return max(min(picture.began or now, now - SHIFT), now - LONGEST)
