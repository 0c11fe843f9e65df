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
from meterdeck.tui.catalogue_effects import effects
from meterdeck.tui.catalogue_requests import CatalogueRequest, SwitchMeter, SwitchPrice
from meterdeck.tui.dialogs.dialog import Dialog
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
            parts: list[tuple[str, str]] = []
            for what in effects(self._seen, self.picture.context.resources):
                parts += [("· ", "$md-muted"), (f"{visible(what, 200)}\n", "$md-text")]
            yield Static(Content.assemble(*parts), id="follows", markup=False)
            if context.mode is Mode.LIVE:
                with Horizontal(classes="field"):
                    yield Static("Live", classes="label", markup=False)
                    place = f"type {visible(context.name, 40)} to confirm"
                    yield Input(placeholder=place, id="typed", compact=True)
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
        self._look()

    @property
    def _typed(self) -> bool:
        """Whether the context's name was typed where it has to be."""
        context = self.picture.context
        if context.mode is not Mode.LIVE:
            return True
        return self.query_one("#typed", Input).value.strip() == context.name

    @on(Input.Changed)
    def _look(self) -> None:
        self.query_one("#confirm", Button).disabled = not self._typed

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one("#cancel", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "confirm":
            self.action_confirm()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_confirm(self) -> None:
        """Return the request, once the name is typed where it has to be."""
        if self._typed:
            self.dismiss(self._request)
        else:
            self.app.bell()


def _verb(seen: MeterSight | PriceSight) -> tuple[str, str]:
    if isinstance(seen, MeterSight):
        verb = "Deactivate" if seen.meter.active else "Reactivate"
        return verb, f"{seen.meter.display_name} · {seen.meter.event_name}"
    return "Archive" if seen.price.active else "Reactivate", price_name(seen.price)
