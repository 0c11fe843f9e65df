"""Drift: what Stripe does not have as it was used, why, and its repair."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.filter import record_filter
from meterdeck.core.model.filter.completion import Hints, record_hints
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.close_guard import Closing
from meterdeck.core.services.engine import Engine
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.comparing import Comparing, rows_of, source_words
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.drift_repair import DriftRepairing
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.drift_list import (
    CLOSING_FIELDS,
    ClosingList,
    DriftDetail,
    DriftList,
    causes_of,
)
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar


class DriftScreen(DriftRepairing):
    """What the workers found, at once; a comparison of one's own, when asked for."""

    AREA = Area.DRIFT
    AUTO_FOCUS = "DriftList"
    EVERY_S = 10.0
    CLOSING_S = 30.0
    """Seconds between two looks at what ends soon: on some days it is every counter."""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.DRIFT)]

    class Closings(Message):
        """What is unsent of periods that end soon was read, or could not be."""

        def __init__(self, future: Future[tuple[tuple[Closing, ...], int]]) -> None:
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._last: LastPass | None = None
        self._problem = ""
        self._reading_endings = False

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield DriftList()
        yield ClosingList()
        yield DriftDetail()
        yield KeyBar(self.AREA)
        yield FilterBar("tenant, resource, cause, or drift>100")

    def on_mount(self) -> None:
        self.query_one(ClosingList).display = False
        self.set_interval(self.CLOSING_S, self.read_endings)

    @property
    def _list(self) -> DriftList:
        return self.query_one(DriftList)

    @property
    def _endings(self) -> ClosingList:
        return self.query_one(ClosingList)

    # -- what is shown -----------------------------------------------------------

    def open(self, picture: Picture) -> None:
        self._list.names.picture = self._endings.names.picture = picture
        super().open(picture)
        self.show_rows()

    async def read(self, engine: Engine) -> LastPass | None:
        return await engine.drift().last()

    def show_read(self, answer: LastPass | None) -> None:
        self._last = answer
        self.show_rows()

    def show_problem(self, problem: str) -> None:
        self._problem = problem
        self.show_rows()

    def tick(self) -> None:
        super().tick()
        if self.on_top:
            self.show_rows()
            self._endings.repaint()  # times left

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.read_endings()

    def changed(self, tenant: TenantId) -> None:
        super().changed(tenant)
        self.read_endings()

    def show_rows(self) -> None:
        picture = self.console.picture
        if picture is None:
            return
        comparing, drift = picture.comparing, self._list
        # A comparison of one's own forgets what was fresh when it begins.
        at = self._last.at if self._last is not None and comparing is None else None
        rows = self.renewed(rows_of(comparing, self._last), at)
        said = source_words(comparing, self._last, picture.now())
        problem = comparing.comparison.problem if comparing else ""
        drift.marked &= {row.counter for row in rows}
        marked = f"{len(drift.marked):,} marked · " if drift.marked else ""
        drift.note = visible(marked + (self._problem or problem or said), 160)
        drift.empty = self._empty(comparing)
        drift.show(rows)
        self.show_detail()

    def _empty(self, comparing: Comparing | None) -> str:
        if self._problem:
            return self._problem
        if comparing is not None and comparing.comparison.running:
            return "nothing differs so far"
        if comparing is None and self._last is None:
            return "nobody has compared yet: c compares what changed, a everything"
        return "nothing differs: c compares what changed since, a everything"

    def show_detail(self) -> None:
        self.query_one(DriftDetail).show(self._list.selected, self._list.names)

    # -- comparing ---------------------------------------------------------------

    def do_compare(self) -> None:
        self._compare(everything=False)

    def do_compare_all(self) -> None:
        self._compare(everything=True)

    def _compare(self, *, everything: bool) -> None:
        picture = self.console.picture
        if picture is None:
            return
        if picture.comparing is not None and picture.comparing.comparison.running:
            self.console.say("it is comparing already; x stops it")
            return
        self.fresh.clear()
        picture.comparing = Comparing(self.console.runtime, everything=everything)
        self.show_rows()

    def do_stop(self) -> None:
        picture = self.console.picture
        if picture is not None and picture.comparing is not None:
            picture.comparing.stop()
            self.show_rows()

    # -- repairing ---------------------------------------------------------------

    def ask(self, action: Action) -> None:
        if self._endings.display:  # what would be repaired is not seen
            text = "tab goes back to what differs: only that is repaired"
            self.console.say(text, title=action.label, severity="warning")
            return
        super().ask(action)

    def do_mark_drift(self) -> None:
        row = self._list.selected
        if row is not None and self._list.display:
            self._list.marked ^= {row.counter}
            self._list.action_move(1)
            self.show_rows()

    def chosen(self, action: Action) -> frozenset[CounterId]:
        if action.id == "repair_all":
            return frozenset(row.counter for row in self._list.shown)
        if self._list.marked:
            return frozenset(self._list.marked)
        row = self._list.selected
        return frozenset([row.counter] if row is not None else [])

    # -- the close guard ---------------------------------------------------------

    def do_closing(self) -> None:
        shows = not self._endings.display
        self.query_one(FilterBar).clear()  # it was about the other list
        self._list.filter(None)
        self._endings.filter(None)
        self._endings.display = shows
        self._list.display = self.query_one(DriftDetail).display = not shows
        (self._endings if shows else self._list).focus()
        if shows:
            self._endings.note = self._endings.empty = "reading …"
            self.read_endings()

    def read_endings(self) -> None:
        """Read what ends soon where that is shown, unless it is on its way already."""
        if self._reading_endings or not self._endings.display or not self.on_top:
            return
        self._reading_endings = True
        future = self.console.runtime.submit(lambda engine: engine.drift().closing())
        tell(self, future, self.Closings)

    def on_drift_screen_closings(self, message: Closings) -> None:
        self._reading_endings = False
        error = message.future.exception()
        if isinstance(error, MeterdeckError):
            self._endings.fail(str(error))
        elif error is not None:
            raise error
        else:
            self._endings.read(*message.future.result())

    # -- going on ----------------------------------------------------------------

    @property
    def subject(self) -> TenantId | None:
        if self._endings.display:
            chosen = self._endings.selected
            return chosen.tenant.id if chosen is not None else None
        row = self._list.selected
        return row.counter.tenant if row is not None else None

    def narrow(self, text: str) -> None:
        takes = record_filter(text, self._fields())
        self.in_front.filter(takes if text else None)

    def hints(self) -> Hints:
        return record_hints(self._fields())

    def _fields(self) -> Mapping[str, Any]:
        if self._endings.display:
            return CLOSING_FIELDS
        drift = self._list
        return {
            "tenant": lambda row: f"{drift.tenant_of(row)} {row.counter.tenant}",
            "resource": lambda row: f"{drift.resource_of(row)} {row.counter.resource}",
            "period": lambda row: row.counter.period,
            "cause": causes_of,
            "drift": lambda row: f"{drift.in_units(row):f}",
        }

    def do_back(self) -> None:
        if self._endings.display and not self.filter_text:
            self.do_closing()
        else:
            super().do_back()
