"""Every override of the fleet, by what ends first, and what happens then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from meterdeck.core.model.filter import Op, record_filter
from meterdeck.core.model.filter.completion import FieldHint, Hints
from meterdeck.core.model.override_ends import FoundOverride, by_end
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.override_cells import OverrideCells
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.listing import ListScreen
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.override_detail import OverrideDetail
from meterdeck.tui.widgets.record_list import RecordList

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

_FIELDS: dict[str, Callable[[FoundOverride], str]] = {
    "who": lambda found: found.override.actor if found.override else "",
    "why": lambda found: found.override.reason if found.override else found.problem,
    "ends": lambda found: f"{at:%Y-%m-%d %H:%M}" if (at := found.expires_at) else "",
}
"""What the filter can name, besides the tenant and the resource."""
_EMPTY = "no override is in force; o on a tenant sets one"


class OverridesScreen(ListScreen[tuple[FoundOverride, ...]]):
    """A line an override; the chosen one in full below."""

    AREA = Area.OVERRIDES
    # What changes is told at once; reading ten thousand takes a second or two.
    EVERY_S = 30.0
    AUTO_FOCUS = "RecordList"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.OVERRIDES)]

    def __init__(self) -> None:
        super().__init__()
        self._cells = OverrideCells()
        self._changes = 0

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield RecordList(
            "Overrides",
            self._cells.fields(),
            key=lambda found: (found.tenant, found.resource),
            empty="reading …",
        )
        yield OverrideDetail()
        yield KeyBar(self.AREA)
        yield FilterBar("tenant, resource, who or why")

    @property
    def _list(self) -> RecordList[FoundOverride]:
        return self.query_one(RecordList)

    @property
    def subject(self) -> TenantId | None:
        chosen = self._list.selected
        return chosen.tenant if chosen else None

    # -- the picture -----------------------------------------------------------

    async def read(self, engine: Engine) -> tuple[FoundOverride, ...]:
        return await engine.changes.overrides_found()

    def open(self, picture: Picture) -> None:
        self._cells.open(picture)
        self._changes = picture.override_changes
        super().open(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        if picture.override_changes != self._changes:
            self._changes = picture.override_changes
            self.ask_engine()
        self._list.repaint()
        self.show_detail()

    def show_read(self, answer: tuple[FoundOverride, ...]) -> None:
        self._list.empty = _EMPTY
        self._list.show(sorted(answer, key=by_end))
        self._note()

    def _note(self) -> None:
        shown = self._list.shown
        soon = [each for each in shown if self._cells.ends_soon(each)]
        ends = [self._cells.ending(each) for each in soon]
        wrong = sum(not each.in_force for each in shown)
        counts = (
            (len(soon), "end within 12 h"),
            (sum(bool(end and end.tight) for end in ends), "refuse calls then"),
            (wrong, "over or broken"),
        )
        parts = [f"{count:,} {words}" for count, words in counts if count]
        count = f"{len(shown):,}" if shown else ""
        self._list.note = " · ".join([count, *parts])
        self._list.repaint()
        self.show_detail()

    def show_detail(self) -> None:
        picture, chosen = self.console.picture, self._list.selected
        if picture is not None:
            ending = self._cells.ending(chosen) if chosen else None
            self.query_one(OverrideDetail).show(chosen, ending, picture)

    # -- actions ---------------------------------------------------------------

    def ask(self, action: Action) -> None:
        chosen = self._list.selected
        if chosen is None:
            self.console.say("there is no override here; o on a tenant sets one")
            return
        self._open_dialog(action, chosen)

    def _open_dialog(self, action: Action, chosen: FoundOverride) -> None:
        from meterdeck.tui.dialogs.override import OverrideDialog  # noqa: PLC0415  # rare

        picture = self.console.picture
        if picture is None:
            return
        if picture.fleet.column_of(chosen.resource) < 0:
            text = f"{chosen.resource} is no resource of this context any more"
            self.console.say(text, title=action.label, severity="warning")
            return
        removes = action.id == "clear_override"
        who = picture.who(chosen.tenant)
        dialog = OverrideDialog(picture, who, chosen, removes=removes)
        self.app.push_screen(dialog, self.console.perform)

    def hints(self) -> Hints:
        found = self._list.shown
        who = {each.override.actor for each in found if each.override}
        return Hints(
            (
                FieldHint("tenant"),
                FieldHint("resource", values=tuple({str(e.resource) for e in found})),
                FieldHint("who", values=tuple(sorted(who))),
                FieldHint("why"),
                FieldHint("ends", Op.LESS),
            )
        )

    def narrow(self, text: str) -> None:
        self._list.filter(record_filter(text, self._fields()) if text else None)
        self._note()

    def _fields(self) -> dict[str, Callable[[FoundOverride], str]]:
        cells = self._cells
        return {
            "tenant": lambda found: f"{cells.tenant(found)} {found.tenant}",
            "resource": lambda found: f"{cells.resource(found)} {found.resource}",
            **_FIELDS,
        }
