"""The dialog in which the columns of the tenant table are chosen, moved and sized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.render import Align
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.column_draft import ColumnDraft, Entry
from meterdeck.tui.widgets.record_list import Field, RecordList
from meterdeck.tui.widgets.table_columns import KINDS, RESOURCE, Chosen, kind_of

_HINTS = (
    "space on/off   ⇧↑ ⇧↓ move   ← → width   = room   x bar/number",
    "a here/everywhere   0 automatic   ↵ keep   esc leave",
)


@dataclass(frozen=True, slots=True)
class Columns:
    """What was chosen; no columns: the table arranges itself."""

    chosen: list[Chosen]
    everywhere: bool


class _ColumnList(RecordList[Entry]):
    GROUND = Ground.PANEL


class ColumnsDialog(Dialog["Columns | None"]):
    """Returns the columns to keep; None where it was left.

    Args:
        chosen: The columns now; none: the table arranges itself.
        resources: What is counted.
        width: Cells that the table has.
        context: Name of the context.
        everywhere: Whether the columns now are those of every context.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close: nothing changes"),
        Binding("enter", "keep", "Keep the columns"),
        Binding("space", "turn", "Show the column, or not"),
        Binding("shift+up,K,left_square_bracket", "carry(-1)", "Move to the left"),
        Binding("shift+down,J,right_square_bracket", "carry(1)", "Move to the right"),
        Binding("left,h", "size(-1)", "Narrower"),
        Binding("right,l", "size(1)", "Wider"),
        Binding("equals_sign", "size(0)", "As wide as there is room"),
        Binding("x", "look", "Bar and number, bar, number"),
        Binding("a", "everywhere", "For every context, or for this one"),
        Binding("0", "automatic", "Arranged automatically"),
    ]

    def __init__(
        self,
        chosen: Sequence[Chosen],
        resources: Sequence[Resource],
        *,
        width: int,
        context: str,
        everywhere: bool,
    ) -> None:
        super().__init__()
        self._labels = {RESOURCE + each.name: each.label for each in resources}
        names = [resource.name for resource in resources]
        self._draft = ColumnDraft(chosen, names, width)
        self._where = visible(context, 24)
        self._everywhere = everywhere

    def compose(self) -> ComposeResult:
        fields: tuple[Field[Entry], ...] = (
            Field("", 1, _sign, _sign_role),
            Field("COLUMN", 16, self._label, _label_role, grows=True),
            Field("WIDTH", 7, _width, _muted, Align.RIGHT),
            Field("SHOWS", 31, _says, _muted, rank=1),
        )
        with Vertical(id="dialog"):
            listed = _ColumnList(
                "Columns", fields, key=lambda entry: entry.column.key, empty=""
            )
            listed.styles.height = len(self._draft.entries()) + 2
            yield listed
            yield Static("\n".join(_HINTS), id="hints", markup=False)

    def on_mount(self) -> None:
        self.query_one(_ColumnList).focus()
        self._show()

    def _label(self, entry: Entry) -> str:
        key = entry.column.key
        return self._labels.get(key) or KINDS[key].label

    def _show(self) -> None:
        listed, draft = self.query_one(_ColumnList), self._draft
        taken, room = draft.used
        out = draft.arrangement.left_out
        said = "automatic" if draft.automatic else f"{taken} of {room} cells"
        listed.note = f"{out} without room · {said}" if out else said
        where = "every context" if self._everywhere else self._where
        listed.title = f"Columns in {where}"
        listed.show(draft.entries())

    @property
    def _key(self) -> str:
        selected = self.query_one(_ColumnList).selected
        return selected.column.key if selected else ""

    def action_turn(self) -> None:
        self._draft.turn(self._key)
        self._show()

    def action_carry(self, by: int) -> None:
        self._draft.carry(self._key, by)
        self._show()

    def action_size(self, by: int) -> None:
        self._draft.size(self._key, by)
        self._show()

    def action_look(self) -> None:
        self._draft.look(self._key)
        self._show()

    def action_everywhere(self) -> None:
        self._everywhere = not self._everywhere
        self._show()

    def action_automatic(self) -> None:
        self._draft.back()
        self._show()

    @on(RecordList.Opened)
    def _opened(self) -> None:
        self.action_turn()

    def action_keep(self) -> None:
        self.dismiss(Columns(self._draft.chosen, self._everywhere))

    def action_close(self) -> None:
        self.dismiss(None)


def _sign(entry: Entry) -> str:
    return "●" if entry.on else "○"


def _sign_role(entry: Entry) -> Role:
    return Role.ACCENT if entry.on else Role.FAINT


def _label_role(entry: Entry) -> Role:
    return Role.TEXT if entry.on else Role.MUTED


def _muted(entry: Entry) -> Role:
    return Role.NEAR if entry.on and not entry.cells else Role.MUTED


def _width(entry: Entry) -> str:
    if not entry.on:
        return ""
    if not entry.cells:
        return "no room"
    return f"{entry.cells}" if entry.column.width else f"~{entry.cells}"


def _says(entry: Entry) -> str:
    key = entry.column.key
    return entry.column.look.value if key not in KINDS else kind_of(key).says
