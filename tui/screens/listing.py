"""A screen that shows a list of records and filters it by what is typed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from meterdeck.core.model.filter.completion import Hints
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.reading import ReadingScreen
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.record_list import RecordList

T = TypeVar("T")


class ListScreen(ReadingScreen[T]):
    """Has a `RecordList` and a `FilterBar`; of several lists one is in front."""

    filter_text: str = ""
    """What is typed, as far as it could be read."""

    @property
    def in_front(self) -> RecordList[Any]:
        """The list that is seen."""
        lists = self.query(RecordList)
        return next((each for each in lists if each.display), lists.first())

    @abstractmethod
    def narrow(self, text: str) -> None:
        """Show only what `text` asks for.

        Raises:
            BadInput: It asks for nothing that could be shown.
        """

    def show_detail(self) -> None:
        """Show the record under the cursor in full."""

    def show_problem(self, problem: str) -> None:
        if problem:  # until the next answer, whose own note takes its place
            records = self.in_front
            records.note = problem
            records.repaint()

    def on_record_list_selected(self) -> None:
        self.show_detail()

    def hints(self) -> Hints:
        """Return what can be typed into the filter here."""
        return Hints()

    def on_mount(self) -> None:
        self.query_one(FilterBar).hints = self.hints

    def frame(self, picture: Picture) -> None:
        super().frame(picture)
        records = self.in_front
        if records.stale != picture.stale:
            records.stale = picture.stale
            records.repaint()

    def do_filter(self) -> None:
        self.query_one(FilterBar).begin()

    def do_back(self) -> None:
        if not self.query_one(FilterBar).clear():
            self.app.pop_screen()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        bar = self.query_one(FilterBar)
        # What is half typed leaves the list as it was.
        if bar.accept(lambda: self.narrow(message.text)):
            self.filter_text = message.text
            bar.count(f"{len(self.in_front.shown):,}")

    def on_filter_bar_left(self) -> None:
        self.in_front.focus()

    def on_record_list_opened(self) -> None:
        self.action_act("open")

    def do_open(self) -> None:
        if self.subject is not None:
            self.console.open_tenant(self.subject)
