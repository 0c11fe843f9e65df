"""Who changed what, of all tenants, newest first: follow, look back, undo, verify."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.audit import AuditPage, AuditQuery
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.filter import Clause, Op
from meterdeck.core.model.filter.completion import FieldHint, Hints
from meterdeck.core.model.trail_question import TrailQuestion, parse_question
from meterdeck.core.model.trail_window import MOST, TrailWindow, key_of
from meterdeck.core.model.usage import TenantId
from meterdeck.tui import phrases
from meterdeck.tui.actions import Area, bindings
from meterdeck.tui.audit_cells import AuditCells
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.listing import ListScreen
from meterdeck.tui.screens.proving import Proving
from meterdeck.tui.widgets.audit_detail import AuditDetail
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.record_list import RecordList

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

_EMPTY = "no operator has changed anything yet"
_NOTHING = "nothing that was asked for is in the trail"
PAGE = 200
_NEAR = 50  # lines below the cursor from which on older entries are read
_PAGES_ALONE = 20  # that are read for one filter before somebody moves on


class AuditScreen(Proving, ListScreen[tuple[AuditQuery, AuditPage]]):
    """A line an entry; the chosen one in full below.

    Args:
        tenant: Whose trail is asked for at first; None: everybody's.
    """

    AREA = Area.AUDIT
    AUTO_FOCUS = "RecordList"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.AUDIT)]

    class Older(Message):
        """A page of older entries was read, or could not be."""

        def __init__(self, query: AuditQuery, future: Future[AuditPage]) -> None:
            self.query = query
            self.future = future
            super().__init__()

    def __init__(self, tenant: TenantId | None = None) -> None:
        super().__init__()
        self._one = tenant
        self._window = TrailWindow()
        self._cells = AuditCells(self._window)
        self._question = TrailQuestion(AuditQuery(limit=PAGE))
        self._reading_older = False
        self._pages_left = _PAGES_ALONE

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield RecordList(
            "Audit trail", self._cells.fields(), key=key_of, empty="reading …"
        )
        yield AuditDetail()
        yield KeyBar(self.AREA)
        yield FilterBar("who:ana tenant:acme action:override since:2d, or any word")

    @property
    def _list(self) -> RecordList[AuditEntry]:
        return self.query_one(RecordList)

    @property
    def subject(self) -> TenantId | None:
        chosen = self._list.selected
        return chosen.tenant if chosen else self._one

    @property
    def entry(self) -> str | None:
        chosen = self._list.selected
        return chosen.id if chosen else None

    # -- the newest ------------------------------------------------------------

    async def read(self, engine: Engine) -> tuple[AuditQuery, AuditPage]:
        query = self._question.query
        return query, await engine.changes.audit_page(query)

    def on_mount(self) -> None:
        if self._one is not None:
            clause = Clause("tenant", Op.IS, (self._one,))
            self.query_one(FilterBar).put(str(clause))

    def open(self, picture: Picture) -> None:
        self._cells.open(picture)
        super().open(picture)

    def show_read(self, answer: tuple[AuditQuery, AuditPage]) -> None:
        query, page = answer
        if query != self._question.query:
            self.ask_engine()  # it was asked before the filter was another one
            return
        self._list.empty = _NOTHING if self.filter_text else _EMPTY
        if self._window.take_newest(page) or not self._list.shown:
            self._show()
        else:
            self._say()  # in place of why there was no answer

    def _show(self) -> None:
        """Show what is in the window; who is on top stays on top."""
        records = self._list
        first = records.shown[:1]
        follows = not first or records.selected == first[0]
        records.show(self._window.entries)
        if follows:
            records.action_go(0)
        self._say()
        self._read_on()

    def _say(self) -> None:
        window, records = self._window, self._list
        shown, kept = len(records.shown), len(window.entries)
        parts = [f"{shown:,} of {kept:,}" if shown < kept else f"{kept:,}"]
        if window.next is None:
            parts = [*parts, "that is all"] if kept else []
        elif window.entries:
            back_to = phrases.moment(window.entries[-1].at)
            end = f"no more than {MOST:,} are kept" if window.full else "older follow"
            parts.append(f"back to {back_to}, {end}")
        if window.unreadable:
            parts.append(f"{len(window.unreadable):,} unreadable, see V")
        records.note = " · ".join(parts)
        records.repaint()
        self.show_detail()

    def show_detail(self) -> None:
        picture, entry = self.console.picture, self._list.selected
        if picture is None:
            return
        self.query_one(AuditDetail).show(
            entry,
            picture,
            change=self._cells.change(entry) if entry else "",
            undone_by=self._window.undone_by(entry) if entry else None,
        )

    def on_record_list_selected(self) -> None:
        self._pages_left = _PAGES_ALONE
        self._read_on()

    # -- older ones ------------------------------------------------------------

    def _read_on(self) -> None:
        """Read older entries where the cursor comes near the end of those shown."""
        window = self._window
        if self._reading_older or window.next is None or window.full:
            return
        if self._list.left_below > _NEAR or not self._pages_left:
            return
        self._reading_older = True
        self._pages_left -= 1
        query = self._question.query
        older = replace(query, before=window.next)
        future = self.console.runtime.submit(
            lambda engine: engine.changes.audit_page(older)
        )
        tell(self, future, lambda done: self.Older(query, done))

    def on_audit_screen_older(self, message: Older) -> None:
        self._reading_older = False
        error = message.future.exception()
        if message.query != self._question.query:
            self._read_on()  # nobody wants that page any more, perhaps another one
            return
        if error is None:
            self._window.take_older(message.future.result())
            self._show()
        elif isinstance(error, MeterdeckError):
            self.show_problem(str(error))
        else:
            raise error

    # -- the filter ------------------------------------------------------------

    def hints(self) -> Hints:
        entries = self._window.entries
        actions, who, resources = (
            tuple(sorted({str(value) for value in values if value}))
            for values in (
                [each.action for each in entries],
                [each.actor for each in entries],
                [each.resource for each in entries],
            )
        )
        return Hints(
            (
                FieldHint("who", values=who),
                FieldHint("tenant"),
                FieldHint("action", values=(*actions, "undo")),
                FieldHint("since", values=("8h", "today", "2d", "1w")),
                FieldHint("resource", values=resources),
                FieldHint("why"),
                FieldHint("at", Op.MORE),
            )
        )

    def narrow(self, text: str) -> None:
        asked = parse_question(text, self._since, PAGE, self._cells.names())
        self._pages_left = _PAGES_ALONE
        another = asked.query != self._question.query
        self._question = asked
        self._list.filter(asked.takes)
        if another:
            self._window = self._cells.window = TrailWindow()
            self._list.empty = "reading …"
            self._list.show([])
            self.ask_engine()
        else:
            self._say()
            self._read_on()

    def _since(self, text: str) -> datetime:
        from meterdeck.tui.cli.when import parse_since  # noqa: PLC0415  # rare

        return parse_since(text, self.console.now().replace(second=0, microsecond=0))
