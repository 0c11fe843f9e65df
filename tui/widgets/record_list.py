"""A list of records, one line each, painted by line: what every list screen shows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from meterdeck.core.model.filter import RecordFilter
from meterdeck.tui.render import Align, Line
from meterdeck.tui.taking.sheets import Sheet
from meterdeck.tui.tenant_list import TenantList
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import LineView

T = TypeVar("T")
_UNFIT = "nothing fits the filter; Esc drops it"
_MARK, _GAP, _SCROLLBAR = 2, 2, 1


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """A column of a list.

    Attributes:
        title: Heading, in upper case.
        width: In cells.
        text: What stands there; text from outside is made visible when painted.
        role: What it is, or what it is for a record.
        grows: Takes a share of the room left over.
        rank: Lower ones survive on narrow screens; 0 is always there.
        plain: What a file gets in place of the text, like an id for a name.
    """

    title: str
    width: int
    text: Callable[[T], str]
    role: Role | Callable[[T], Role] = Role.TEXT
    align: Align = Align.LEFT
    grows: bool = False
    rank: int = 0
    plain: Callable[[T], str] | None = None


class RecordList(LineView, Generic[T], can_focus=True):
    """Records under a title and a heading; the cursor stays on its record.

    Args:
        title: What the list is of.
        fields: Its columns.
        key: Tells one record from another; the cursor is found again by it.
        empty: What an empty list says: what to do next. One that a filter has emptied
            says so by itself.

    Attributes:
        note: Said at the right of the title in place of the count.
        jump: Scroll by half a window at the edges, for slow links.
    """

    DEFAULT_CSS = "RecordList { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", show=False, id="list_down"),
        Binding("up,k", "move(-1)", "Previous", show=False, id="list_up"),
        Binding(
            "pagedown,ctrl+f", "page(1)", "Page down", show=False, id="list_page_down"
        ),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="list_page_up"),
        Binding("g,home", "go(0)", "First", show=False, id="list_first"),
        Binding("G,end", "go(-1)", "Last", show=False, id="list_last"),
    ]

    class Selected(Message):
        """The cursor is on another record, or on none."""

    class Opened(Message):
        """A record was asked for by a double click."""

    def __init__(
        self,
        title: str,
        fields: Sequence[Field[T]],
        *,
        key: Callable[[T], Hashable],
        empty: str,
        jump: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title = title
        self.note = ""
        self.empty = empty
        self._fields = fields
        self._key = key
        self._records: Sequence[T] = ()
        self._takes: Callable[[T], bool] | None = None
        self._places = TenantList(jump=jump)
        self._chosen: Hashable | None = None

    # -- what is shown -----------------------------------------------------------

    def show(self, records: Sequence[T]) -> None:
        """Show records, in their order."""
        self._records = records
        self._arrange()

    def filter(self, takes: Callable[[T], bool] | None) -> None:
        """Show only the records that `takes` takes; None: all."""
        self._takes = takes
        self._arrange()

    @property
    def shown(self) -> list[T]:
        """All records that are shown, scrolled away or not."""
        return [self._records[row] for row in self._places.rows]

    @property
    def selected(self) -> T | None:
        """The record under the cursor."""
        row = self._places.selected
        return self._records[row] if row is not None else None

    def sheet(self, name: str) -> Sheet:
        """Return everything that is shown, as plain values under the headings."""
        columns = [field.title.lower().replace(" ", "_") for field in self._fields]
        values = [field.plain or field.text for field in self._fields]
        rows = [[value(one) for value in values] for one in self.shown]
        return Sheet(name, columns, rows)

    @property
    def left_below(self) -> int:
        """How many records are shown below the cursor."""
        return len(self._places.rows) - 1 - self._places.cursor

    def select(self, key: Hashable) -> None:
        """Put the cursor on the record with this key, if it is shown."""
        for place, row in enumerate(self._places.rows):
            if self._key(self._records[row]) == key:
                self._places.go(place)
                self._moved()
                return

    def _arrange(self) -> None:
        takes = self._takes
        if isinstance(takes, RecordFilter):
            rows = takes.rows(self._records)
        else:
            rows = [
                row
                for row, record in enumerate(self._records)
                if takes is None or takes(record)
            ]
        chosen = self._chosen
        kept = next((r for r in rows if self._key(self._records[r]) == chosen), None)
        self._places.place(rows, kept if chosen is not None else None)
        self._moved()

    def _moved(self) -> None:
        record = self.selected
        key = self._key(record) if record is not None else None
        if key != self._chosen:
            self._chosen = key
            self.post_message(self.Selected())
        self.repaint()

    # -- painting ----------------------------------------------------------------

    def draw(self, y: int) -> Strip:
        if y == 0:
            return self._title_line()
        if y == 1:
            return self._heading()
        shown = self._places.shown
        if not shown and y == 2:
            return self._nothing()
        if y - 2 >= len(shown):
            return self.blank()
        return self._line(self._records[shown[y - 2]], y - 2)

    def _title_line(self) -> Strip:
        style, width = self.palette.style, self.size.width
        line = Line().add(f" {self.title}", style(Role.BRIGHT, Ground.BAR, bold=True))
        count = len(self._places.rows)
        said = self.note or (f"{count:,}" if count else "")
        align_right(line, said, width, style(Role.MUTED, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _heading(self) -> Strip:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        line = Line().add(" " * _MARK, muted)
        for field, width in self._widths():
            line.field(field.title, width, muted, field.align).add(" " * _GAP, muted)
        return line.strip(self.size.width, muted)

    def _nothing(self) -> Strip:
        muted, width = self.palette.style(Role.MUTED, self.GROUND), self.size.width
        line = Line().add(" " * _MARK, muted)
        # Else a filter that fits nothing would say that there is nothing at all.
        hidden = self._takes is not None and self._records
        text = _UNFIT if hidden else self.empty
        return line.field(text, width - _MARK, muted).strip(width, muted)

    def _line(self, record: T, place: int) -> Strip:
        on = place == self._places.cursor - self._places.top
        ground = Ground.CURSOR if on else self.GROUND
        style, width = self.palette.style, self.size.width
        blank = style(Role.MUTED, ground)
        line = Line().add("▌ " if on else "  ", style(Role.ACCENT, ground))
        for field, room in self._widths():
            role = field.role if isinstance(field.role, Role) else field.role(record)
            text = field.text(record)
            line.field(text, room, style(role, ground), field.align)
            line.add(" " * _GAP, blank)
        mark = self._scroll_mark(place)
        if mark:
            line.pad(width - 1, blank).add(mark, style(Role.FAINT, ground))
        return line.strip(width, blank)

    def _scroll_mark(self, place: int) -> str:
        total, height = len(self._places.rows), self._places.height
        if total <= height:
            return ""
        size = max(height * height // total, 1)
        start = self._places.top * (height - size) // (total - height)
        return "┃" if start <= place < start + size else ""

    def _widths(self) -> list[tuple[Field[T], int]]:
        """Return the columns there is room for, and how wide each is."""
        room = self.size.width - _MARK - _SCROLLBAR
        chosen: list[Field[T]] = []
        for field in sorted(self._fields, key=lambda field: field.rank):
            if room >= field.width + _GAP or not field.rank:
                room -= field.width + _GAP
                chosen.append(field)
        growing = [field for field in chosen if field.grows]
        share = max(room, 0) // len(growing) if growing else 0
        return [
            (field, field.width + (share if field.grows else 0))
            for field in self._fields
            if field in chosen
        ]

    # -- what the operator does --------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self._places.resize(event.size.height - 2)
        super().on_resize(event)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        yield
        self._moved()

    def action_move(self, lines: int) -> None:
        with self._stepping():
            self._places.move(lines)

    def action_page(self, pages: int) -> None:
        with self._stepping():
            self._places.page(pages)

    def action_go(self, line: int) -> None:
        with self._stepping():
            self._places.go(line if line >= 0 else len(self._places.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        place = event.y - 2
        if not 0 <= place < len(self._places.shown):
            return
        event.stop()
        self.action_go(self._places.top + place)
        if event.chain > 1:
            self.post_message(self.Opened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        with self._stepping():
            self._places.scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        with self._stepping():
            self._places.scroll(-3)
