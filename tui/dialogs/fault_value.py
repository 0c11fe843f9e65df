"""Asks for the value of one fault, in the words of the command line."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fault_knobs import Knob
from meterdeck.core.model.faults import Faults
from meterdeck.tui.dialogs.dialog import Dialog


class FaultValueDialog(Dialog["tuple[object] | None"]):
    """Returns what was written, read; None where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close: nothing changes"),
    ]

    def __init__(self, knob: Knob, faults: Faults) -> None:
        super().__init__()
        self._knob = knob
        self._faults = faults

    def compose(self) -> ComposeResult:
        knob = self._knob
        heading = Content.assemble(
            (f"{knob.label.strip()}\n", "bold $md-accent"), (knob.does, "$md-text")
        )
        with Vertical(id="dialog"):
            yield Static(heading, id="heading", markup=False)
            shown = knob.show(self._faults.value(knob))
            yield Input(placeholder=f"now {shown}", compact=True)
            yield Static(id="note", markup=False)
            yield Static("↵ set   esc leave", id="hint", markup=False)

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        self._look()

    def _read(self) -> object:
        text = self.query_one(Input).value.strip()
        value = self._knob.read(text)
        self._faults.changed({self._knob.name: value})
        return value

    @on(Input.Changed)
    def _look(self) -> None:
        note = self.query_one("#note", Static)
        missing = ""
        if self.query_one(Input).value.strip():
            try:
                self._read()
            except BadInput as problem:
                missing = str(problem)
        note.set_class(bool(missing), "-missing")
        note.update(Content(missing or f"such as {self._examples()}"))

    def _examples(self) -> str:
        return ", ".join(self._knob.show(each) for each in self._knob.steps)

    @on(Input.Submitted)
    def _entered(self) -> None:
        try:
            value = self._read()
        except BadInput:
            self.app.bell()
            return
        self.dismiss((value,))

    def action_close(self) -> None:
        self.dismiss(None)
