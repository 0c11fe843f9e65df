"""The dialog that deactivates a meter or archives a price, and takes that back."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight, price_name
from meterdeck.core.model.context import Mode
from meterdeck.core.model.text import visible
from meterdeck.tui.arming import asks_name
from meterdeck.tui.catalogue_effects import effects
from meterdeck.tui.catalogue_requests import CatalogueRequest, SwitchMeter, SwitchPrice
from meterdeck.tui.dialogs.confirm import turning
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard
from meterdeck.tui.picture import Picture


class SwitchDialog(Dialog["CatalogueRequest | None"]):
    """Says what follows and returns the request; Cancel has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel: nothing changes"),
        Binding("ctrl+s", "confirm", "Confirm the change", priority=True),
        Binding("right,down", "app.focus_next", "Next button", show=False),
        Binding("left,up", "app.focus_previous", "Previous button", show=False),
    ]

    def __init__(self, picture: Picture, seen: MeterSight | PriceSight) -> None:
        super().__init__()
        self.picture = picture
        self._seen = seen
        self._enter = EnterGuard()

    @property
    def _request(self) -> CatalogueRequest:
        if isinstance(self._seen, MeterSight):
            return SwitchMeter(self._seen.meter, not self._seen.meter.active)
        return SwitchPrice(self._seen.price, not self._seen.price.active)

    def compose(self) -> ComposeResult:
        context = self.picture.context
        verb, name = _verb(self._seen)
        with Vertical(id="dialog"):
            yield Static(self._heading(verb, name), id="heading", markup=False)
            yield Static(turning(*_turns(self._seen)), id="preview", markup=False)
            parts: list[tuple[str, str]] = []
            for what in effects(self._seen, self.picture.context.resources):
                parts += [("· ", "$md-muted"), (f"{visible(what, 200)}\n", "$md-text")]
            yield Static(Content.assemble(*parts), id="follows", markup=False)
            if self._asks_name:
                with Horizontal(classes="field"):
                    yield Static("Live", classes="label", markup=False)
                    place = f"type {visible(context.name, 40)} to confirm"
                    yield Input(placeholder=place, id="typed", compact=True)
            yield Static(id="note", classes="-missing", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(verb, id="confirm", variant="warning", compact=True)
            yield Static("ctrl+s confirm   esc cancel", id="hint", markup=False)
        self.set_class(context.mode is Mode.LIVE, "-live")

    def _heading(self, verb: str, name: str) -> Content:
        context = self.picture.context
        what = "meter" if isinstance(self._seen, MeterSight) else "price"
        where = context.mode.value.upper()
        if context.name != context.mode.value:
            where = f"{visible(context.name, 30)} {where}"
        live = context.mode is Mode.LIVE
        return Content.assemble(
            (f"{verb} a {what}\n", "bold $md-accent"),
            (f"{visible(name, 60)}\n", "bold $md-bright"),
            ("in ", "$md-muted"),
            (where, "bold $md-high" if live else "$md-text"),
        )

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one("#cancel", Button).focus()
        self.set_interval(1.0, self._look)
        self._look()

    @property
    def _asks_name(self) -> bool:
        return asks_name(self.picture.context, beyond_undo=False)

    def _missing(self) -> str:
        """Return what keeps it from being confirmed, one sentence; "" for nothing."""
        if why := self.picture.arming.refusal():
            return why
        name = self.picture.context.name
        if self._asks_name and self.query_one("#typed", Input).value.strip() != name:
            return f"this is live: type {visible(name, 40)} above"
        return ""

    @on(Input.Changed)
    def _look(self) -> None:
        missing = self._missing()
        note, button = self.query_one("#note", Static), self.query_one("#confirm")
        if str(note.content) != missing:
            note.update(Content(missing))
        if button.disabled != bool(missing):
            button.disabled = bool(missing)

    @on(Input.Submitted)
    def _entered(self) -> None:
        self._enter.held()
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if self._enter.held():
            return
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_confirm(self) -> None:
        """Return the request, once the name is typed where it has to be."""
        if not self._missing():
            self.dismiss(self._request)
            return
        self._look()
        self.app.bell()


def _turns(seen: MeterSight | PriceSight) -> tuple[str, str, str]:
    """Return what turns into what: the thing, its state now and then."""
    if isinstance(seen, MeterSight):
        states, what = ("inactive", "active"), "Meter"
        active = seen.meter.active
    else:
        states, what = ("archived", "for sale"), "Price"
        active = seen.price.active
    return what, states[active], states[not active]


def _verb(seen: MeterSight | PriceSight) -> tuple[str, str]:
    if isinstance(seen, MeterSight):
        verb = "Deactivate" if seen.meter.active else "Reactivate"
        return verb, f"{seen.meter.display_name} · {seen.meter.event_name}"
    return "Archive" if seen.price.active else "Reactivate", price_name(seen.price)
