"""Requests: what is asked for, what waits for approval, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.request_sight import SeenRequest
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.picture import Picture
from meterdeck.tui.request_cells import RequestCells
from meterdeck.tui.screens.listing import ListScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.record_list import RecordList
from meterdeck.tui.widgets.request_detail import RequestDetail

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.requests import Request

_NONE = "nothing is asked for, and nothing was answered lately"
_DIRECT = 'changes are made directly here: nothing is asked for (changes = "direct")'


class RequestsScreen(ListScreen[tuple[SeenRequest, ...]]):
    """A line a request, first what waits; the chosen one in full below."""

    AREA = Area.REQUESTS
    AUTO_FOCUS = "RecordList"
    EVERY_S = 2.0
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.REQUESTS)]

    def __init__(self) -> None:
        super().__init__()
        self._cells = RequestCells()

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield RecordList(
            "Requests",
            self._cells.fields(),
            key=lambda seen: (seen.name, seen.state.final),
            empty="reading …",
        )
        yield RequestDetail()
        yield KeyBar(self.AREA)
        yield FilterBar("waiting, alice, acme, or any word")

    @property
    def _list(self) -> RecordList[SeenRequest]:
        return self.query_one(RecordList)

    @property
    def subject(self) -> TenantId | None:
        chosen = self._list.selected
        return TenantId(chosen.tenant) if chosen and chosen.tenant else None

    def to_copy(self) -> list[tuple[str, str]]:
        chosen = self._list.selected
        return [("request", chosen.name)] if chosen else []

    # -- the picture -----------------------------------------------------------

    async def read(self, engine: Engine) -> tuple[SeenRequest, ...]:
        return (await engine.requests.look()).seen

    def show_read(self, answer: tuple[SeenRequest, ...]) -> None:
        picture = self.console.picture
        assert picture is not None  # nothing was read before
        self._cells.at = picture.now()
        direct = picture.context.changes is Changes.DIRECT
        self._list.empty = _DIRECT if direct else _NONE
        self._list.show(answer)
        self._note()

    def _note(self) -> None:
        shown = self._list.shown
        waiting = sum(each.state is RequestState.WAITING for each in shown)
        self._list.note = f"{waiting:,} waiting of {len(shown):,}" if shown else ""
        self._list.repaint()
        self.show_detail()

    def show_detail(self) -> None:
        picture = self.console.picture
        if picture is not None:
            self.query_one(RequestDetail).show(self._list.selected, picture)

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.show_detail()

    def answered(self, request: Request) -> None:
        self.ask_engine()

    # -- actions ---------------------------------------------------------------

    def narrow(self, text: str) -> None:
        self._list.filter((lambda seen: seen.takes(text)) if text else None)
        self._note()

    def do_open(self) -> None:
        if self.subject is None:
            self.console.say("this request is about no one tenant", severity="warning")
        super().do_open()

    def ask(self, action: Action) -> None:
        from meterdeck.tui.dialogs.decision import decision_dialog  # noqa: PLC0415  # rare

        chosen, picture = self._list.selected, self.console.picture
        record = chosen.record if chosen else None
        if picture is None or record is None or chosen is None:
            self.console.say("choose a request that waits", severity="warning")
            return
        dialog = decision_dialog(action.id, picture, chosen, record)
        self.app.push_screen(dialog, self.console.perform)
