"""Asks for the value of one fault, in the words of the command line."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fault_knobs import Knob
from meterdeck.core.model.faults import Faults
from meterdeck.tui.dialogs.confirm import ConfirmDialog, turning
from meterdeck.tui.fault_words import shown


class FaultValueDialog(ConfirmDialog[tuple[object]]):
    """Returns what was written, read; None where it was left."""

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
            place = f"such as {self._examples()}"
            yield Input(placeholder=place, id="value", compact=True)
            yield Static(id="preview", markup=False)
            yield Static(id="note", markup=False)
            yield from self.ending("Set")

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()
        self._look()

    def answer(self) -> tuple[object] | None:
        try:
            return (self._read(),)
        except BadInput:
            return None

    def _read(self) -> object:
        text = self.query_one(Input).value.strip()
        value = self._knob.read(text)
        self._faults.changed({self._knob.name: value})
        return value

    @on(Input.Changed)
    def _look(self) -> None:
        knob, then, said = self._knob, "", "Stripe goes wrong so from its next request."
        missing = not self.query_one(Input).value.strip()
        if missing:
            said = f"which value? such as {self._examples()}"
        else:
            try:
                then = shown(knob, self._read())
            except BadInput as problem:
                missing, said = True, str(problem)
        now = shown(knob, self._faults.value(knob))
        self.query_one("#preview", Static).update(
            turning(knob.label.strip(), now, then)
        )
        note = self.query_one("#note", Static)
        note.set_class(missing, "-missing")
        note.update(Content(said))
        self.query_one("#confirm", Button).disabled = missing

    def _examples(self) -> str:
        return ", ".join(self._knob.show(each) for each in self._knob.steps)
