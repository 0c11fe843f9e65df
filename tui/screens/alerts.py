"""Alerts: what is open, who has seen to it, what is over, and who was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from meterdeck.core.model.alert_rules import Severity
from meterdeck.core.model.alert_sight import AlertSight, SeenAlert, alert_filter
from meterdeck.core.model.alerts import Alert, AlertState
from meterdeck.core.model.filter.completion import FieldHint, Hints
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui import alert_words
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.alert_cells import AlertCells
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.listing import ListScreen
from meterdeck.tui.widgets.alert_detail import AlertDetail
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.record_list import RecordList

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

_NO_RULE = "no rule is set; docs/alerts.md says how"
_NONE = "no alert fired yet"


class AlertsScreen(ListScreen[AlertSight]):
    """A line an alert; the chosen one in full below."""

    AREA = Area.ALERTS
    AUTO_FOCUS = "RecordList"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Area.ALERTS)]

    def __init__(self) -> None:
        super().__init__()
        self._cells = AlertCells()
        self._sight: AlertSight | None = None

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield RecordList(
            "Alerts",
            self._cells.fields(),
            key=lambda seen: (seen.alert.slot.tenant, seen.alert.slot.field),
            empty="reading …",
        )
        yield AlertDetail()
        yield KeyBar(self.AREA)
        yield FilterBar("state:open severity:critical tenant:acme, or any word")

    @property
    def _list(self) -> RecordList[SeenAlert]:
        return self.query_one(RecordList)

    @property
    def chosen(self) -> Alert | None:
        """The alert under the cursor."""
        seen = self._list.selected
        return seen.alert if seen else None

    @property
    def subject(self) -> TenantId | None:
        return (self.chosen.slot.tenant or None) if self.chosen else None

    def to_copy(self) -> list[tuple[str, str]]:
        return [("alert id", self.chosen.id)] if self.chosen else []

    # -- the picture -----------------------------------------------------------

    async def read(self, engine: Engine) -> AlertSight:
        return await engine.alerts.look(history=True)

    def open(self, picture: Picture) -> None:
        self._cells.open(picture)
        super().open(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self.show_detail()

    def show_read(self, answer: AlertSight) -> None:
        self._sight, self._cells.at = answer, answer.at
        self._list.empty = _NONE if answer.rules else _NO_RULE
        self._list.show(answer.alerts)
        self._note()

    def _note(self) -> None:
        sight = self._sight
        if sight is None:
            return
        shown = self._list.shown
        lost = sum(seen.undelivered for seen in shown)
        parts = [
            f"{len(sight.open):,} open of {len(shown):,}" if shown else "",
            f"{lost:,} undelivered" if lost else "",
            "only the newest" if sight.more else "",
            alert_words.nobody_watches(sight) if sight.rules or shown else "",
        ]
        self._list.note = " · ".join(filter(None, parts))
        self._list.repaint()
        self.show_detail()

    def show_detail(self) -> None:
        picture = self.console.picture
        if picture is not None:
            chosen = self._list.selected
            self.query_one(AlertDetail).show(chosen, self._sight, picture)

    # -- actions ---------------------------------------------------------------

    def hints(self) -> Hints:
        slots = [seen.alert.slot for seen in self._list.shown]
        return Hints(
            (
                FieldHint("state", values=tuple(AlertState)),
                FieldHint("severity", values=tuple(Severity)),
                FieldHint("tenant"),
                FieldHint("plan"),
                FieldHint("rule", values=tuple(sorted({each.rule for each in slots}))),
                FieldHint("resource"),
                FieldHint("by"),
                FieldHint("id"),
            )
        )

    def narrow(self, text: str) -> None:
        takes = alert_filter(text, lambda: self._cells.at) if text else None
        self._list.filter(takes)
        self._note()

    def do_open(self) -> None:
        if self.subject is None:
            self.console.say("this alert is no tenant's", severity="warning")
        super().do_open()

    def ask(self, action: Action) -> None:
        from meterdeck.tui.dialogs.alert import (  # noqa: PLC0415  # rare
            AcknowledgeDialog,
            SnoozeDialog,
        )

        alert, picture = self.chosen, self.console.picture
        if alert is None or picture is None or not alert.live:
            self.console.say("choose an alert that is not over", severity="warning")
            return
        dialog = AcknowledgeDialog if action.id == "acknowledge" else SnoozeDialog
        self.app.push_screen(dialog(picture, alert), self.console.perform)
