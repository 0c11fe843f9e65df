"""Every meter event the console has seen: filter, choose, open, hold, follow."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import EventPlan
from meterdeck.core.model.event_filter import event_filter, event_hints
from meterdeck.core.model.ledger import EventFilter, LedgerEvent
from meterdeck.core.model.ledger_sight import LedgerSight
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.dialogs.states import EVERYTHING, LETTERS, Shown, StatesDialog
from meterdeck.tui.picture import LETTERS_COUNTED, Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.event import EventScreen
from meterdeck.tui.screens.event_area import SIGHT_S, EventArea
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.event_log import EventLog
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from meterdeck.tui.taking.sheets import Sheet


class EventsScreen(EventArea):
    """The ledger of events: the log's tail, and what waits beside it."""

    AREA = Area.EVENTS
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.EVENTS),
        Binding(
            "down,j", "choose(1)", "Choose an older event", show=False, id="list_down"
        ),
        Binding("up,k", "choose(-1)", "Choose a newer event", show=False, id="list_up"),
        Binding(
            "pagedown,ctrl+f",
            "choose_page(1)",
            "A page older",
            show=False,
            id="list_page_down",
        ),
        Binding(
            "pageup,ctrl+b",
            "choose_page(-1)",
            "A page newer",
            show=False,
            id="list_page_up",
        ),
        Binding(
            "g,home", "newest", "The newest, and follow", show=False, id="list_first"
        ),
        Binding("G,end", "oldest", "The oldest kept", show=False, id="list_last"),
    ]

    class Sighted(Message):
        """What stands beside the log was read, or could not be."""

        def __init__(self, future: Future[LedgerSight]) -> None:
            self.future = future
            super().__init__()

    class PlannedAll(Message):
        """The engine has said what replaying letters would do, or could not."""

        def __init__(
            self,
            shown: frozenset[tuple[TenantId, str]],
            future: Future[tuple[EventPlan, ...]],
        ) -> None:
            self.shown = shown
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._shown = EVERYTHING
        self._asking = False

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield EventLog(id="tail")
        yield KeyBar(self.AREA)
        yield FilterBar("tenant, resource, state, identifier or message")

    @property
    def _log(self) -> EventLog:
        return self.query_one(EventLog)

    @property
    def chosen(self) -> LedgerEvent | None:
        return self._log.chosen

    @property
    def about(self) -> LedgerEvent | None:
        return self._log.chosen or self._log.newest()

    def sheet(self) -> Sheet | None:
        from meterdeck.tui.taking.events import events_sheet  # noqa: PLC0415  # rare

        return events_sheet(self._log.every_line())

    def on_mount(self) -> None:
        self.query_one(FilterBar).hints = event_hints
        self.set_interval(SIGHT_S, self._look)

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self._log.show(picture)
        self._look()

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self._log.show(picture)
        self._look()

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self._log.show(picture)

    def changed(self, tenant: TenantId) -> None:
        self._look()

    # -- what stands beside the log --------------------------------------------

    def _look(self) -> None:
        if self._asking or not self.on_top or self.console.picture is None:
            return
        self._asking = True
        lines = tuple(self._log.shown_lines())
        future = self.console.runtime.submit(
            lambda engine: engine.ledger.sight(lines, letters=LETTERS_COUNTED)
        )
        tell(self, future, self.Sighted)

    def on_events_screen_sighted(self, message: Sighted) -> None:
        self._asking = False
        error = message.future.exception()
        if error is None:
            sight = self._log.sight = message.future.result()
            self.query_one(StatusHeader).note(_counts(sight))
            self._log.repaint()
        elif not isinstance(error, MeterdeckError):
            raise error

    def ask(self, action: Action) -> None:
        if action.id != "replay_all":
            super().ask(action)
            return
        shown = frozenset(self._log.shown_letters())
        future = self.console.runtime.submit(
            lambda engine: engine.event_changes.plan_replays()
        )
        tell(self, future, lambda done: self.PlannedAll(shown, done))

    def on_events_screen_planned_all(self, message: PlannedAll) -> None:
        from meterdeck.tui.dialogs.replay_all import ReplayAllDialog  # noqa: PLC0415  # rare

        error, picture = message.future.exception(), self.console.picture
        if isinstance(error, MeterdeckError):
            self.console.say(str(error), title="replay all", severity="warning")
            return
        if error is not None:
            raise error
        plans = [p for p in message.future.result() if p.event.key in message.shown]
        if not plans:
            text = "no letter that is dead or refused is shown; l shows them"
            self.console.say(text, title="replay all", severity="warning")
        elif picture is not None and self.on_top:
            dialog = ReplayAllDialog(picture, plans)
            self.app.push_screen(dialog, self.console.perform)

    # -- actions ---------------------------------------------------------------

    def action_choose(self, lines: int) -> None:
        self._log.choose(lines)

    def action_choose_page(self, pages: int) -> None:
        self._log.choose(pages * (self._log.size.height - 1))

    def action_newest(self) -> None:
        self._log.hold(held=False)

    def action_oldest(self) -> None:
        if self._log.picture is not None:
            self._log.choose(len(self._log.picture.events))

    def do_pause(self) -> None:
        self._log.hold(held=self._log.held is None)

    def do_filter(self) -> None:
        self.query_one(FilterBar).begin()

    def do_states(self) -> None:
        self.app.push_screen(StatesDialog(self._shown), self._show)

    def do_letters(self) -> None:
        self._show(EVERYTHING if self._shown == LETTERS else LETTERS)

    def do_inspect(self) -> None:
        event = self.chosen or self._log.newest()
        if event is None:
            self.console.say("there is no event to open", severity="warning")
            return
        self.app.push_screen(EventScreen(event))

    def do_back(self) -> None:
        if self.query_one(FilterBar).clear():
            return
        if self._shown != EVERYTHING:
            self._show(EVERYTHING)
            return
        self.app.pop_screen()

    def _show(self, shown: Shown | None) -> None:
        if shown is None:
            return
        log, self._shown = self._log, shown
        log.wanted = EventFilter(states=shown.states)
        log.showing = shown.name if shown.states else ""
        log.hold(held=False)
        if shown.states:
            log.choose(1)
        self._look()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        if not self.query_one(FilterBar).accept(lambda: event_filter(message.text)):
            return
        log = self._log
        log.text, log.skipped, log.chosen = message.text, 0, None
        log.repaint()

    def on_filter_bar_left(self) -> None:
        self.set_focus(None)


def _counts(sight: LedgerSight) -> str:
    """Return how many events are on their way; "" for none."""
    states = [event.state for event in sight.waiting.values()]
    parts = [
        (states.count(EventState.QUEUED), "queued"),
        (states.count(EventState.IN_FLIGHT), "in flight"),
    ]
    return " · ".join(f"{count:,} {word}" for count, word in parts if count)
