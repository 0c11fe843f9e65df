"""Forms of several steps: what is written is checked and drawn while it is typed.

The last step shows exactly what will be created, and the same as text for the
configuration. Enter moves on and never creates: on the last step Cancel has the focus.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Mode
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_draft import DraftedMeter, DraftedPrice
from meterdeck.tui.catalogue_requests import CatalogueRequest
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import new_operation_id
from meterdeck.tui.widgets.choice import Choice

Field = tuple[str, Widget]
_PASTE = "To declare it: paste this into the configuration"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a form says at this moment.

    Attributes:
        request: What creating would send; None while something is missing.
        facts: What would be created, as label and value.
        drafted: The same with the tables that declare it.
        problem: What is missing or wrong, one sentence.
        warnings: What is odd about it; it can be created all the same.
    """

    request: CatalogueRequest | None
    facts: tuple[tuple[str, str], ...] = ()
    drafted: DraftedMeter | DraftedPrice | None = None
    problem: str = ""
    warnings: tuple[str, ...] = ()


class GuidedForm(Dialog["CatalogueRequest | None"]):
    """Asks step by step for one thing to create and returns the request, or None."""

    TITLE_TEXT: ClassVar[str] = ""
    STEPS: ClassVar[Sequence[str]] = ()
    """Names of the steps, without the last one."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "One step back; on the first: cancel"),
        Binding("ctrl+n", "next", "Next step", priority=True),
        Binding("ctrl+s", "create", "Create what the last step shows", priority=True),
        Binding("ctrl+y", "copy", "Copy the text for the configuration", priority=True),
        Binding("pagedown", "scroll(6)", "Further down", show=False),
        Binding("pageup", "scroll(-6)", "Further up", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture
        self.operation_id = new_operation_id()
        self.step = 0
        self._enter = EnterGuard()
        self._shown: object = None

    # -- what the subclass says ------------------------------------------------

    @abstractmethod
    def fields(self, step: int) -> Iterator[Field]:
        """Yield label and widget of each field of a step."""

    @abstractmethod
    def preview(self) -> Widget:
        """Return what stands beside the fields."""

    @abstractmethod
    def outline(self) -> Outline:
        """Return what the fields say now.

        Raises:
            BadInput: Something is missing, or cannot be read.
        """

    def draw(self, outline: Outline) -> None:
        """Show what follows from the fields in the preview."""

    def problem_of(self, step: int) -> str:
        """Return what keeps one from leaving a step; "" for nothing."""
        return ""

    # -- layout ----------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="guided"):
            yield Static(id="heading", markup=False)
            with Horizontal(id="sides"):
                with Vertical(id="steps"):
                    for step in range(len(self.STEPS)):
                        with Vertical(id=f"step-{step}", classes="step"):
                            for label, widget in self.fields(step):
                                with Horizontal(classes="field"):
                                    yield Static(label, classes="label", markup=False)
                                    yield widget
                yield self.preview()
            with VerticalScroll(id="review", can_focus=False), Container(id="both"):
                yield Static(id="facts", markup=False)
                with Vertical(id="text"):
                    yield Static(_PASTE, id="paste", markup=False)
                    yield Static(id="toml", markup=False)
            if self.picture.context.mode is Mode.LIVE:
                with Horizontal(id="live", classes="field"):
                    yield Static("Live", classes="label", markup=False)
                    name = visible(self.picture.context.name, 40)
                    yield Input(
                        placeholder=f"type {name} to confirm", id="typed", compact=True
                    )
            yield Static(id="note", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Next", id="next", compact=True)
                yield Button("Create", id="create", variant="warning", compact=True)
            yield Static(id="hint", markup=False)
        self.set_class(self.picture.context.mode is Mode.LIVE, "-live")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.set_interval(1.0, self.look)
        self._turn_to(0)

    @property
    def last(self) -> bool:
        """Whether the step that shows what will be created is on."""
        return self.step == len(self.STEPS)

    def _turn_to(self, step: int) -> None:
        self.step = step
        for number in range(len(self.STEPS)):
            self.query_one(f"#step-{number}").display = number == step
        for name, shown in (
            ("#sides", not self.last),
            ("#next", not self.last),
            ("#review", self.last),
            ("#create", self.last),
            ("#live", self.last),
        ):
            for widget in self.query(name):
                widget.display = shown
        self.query_one("#heading", Static).update(self._heading())
        hint = "↵ next field   ctrl+n next step   esc back"
        if self.last:
            more = "" if self.size.width >= 100 else "   pgdn more"
            hint = f"ctrl+s create   ctrl+y copy the text{more}   esc back"
        self.query_one("#hint", Static).update(hint)
        self._shown = None
        self.look()
        if self.last:
            first = self.query("#typed").first(Input) if self.query("#typed") else None
            (first or self.query_one("#cancel", Button)).focus()
        else:
            self._first_field(step).focus()

    def _first_field(self, step: int) -> Widget:
        box = self.query_one(f"#step-{step}")
        return next(w for w in box.query("Input, Choice") if w.focusable)

    def _heading(self) -> Content:
        context = self.picture.context
        where = visible(context.name, 30)
        same = where == context.mode.value
        where = where.upper() if same else f"{where} {context.mode.value.upper()}"
        live = context.mode is Mode.LIVE
        parts: list[str | tuple[str, str]] = [
            (f"{self.TITLE_TEXT}  ", "bold $md-accent"),
            ("in ", "$md-muted"),
            (f"{where}\n", "bold $md-high" if live else "$md-text"),
        ]
        for number, name in enumerate((*self.STEPS, "What will be created")):
            here = number == self.step
            style = "bold $md-bright" if here else "$md-muted"
            sign = "›" if here else " "
            parts.append((f"{sign}{number + 1} {name}   ", style))
        return Content.assemble(*parts)

    # -- what the fields say ---------------------------------------------------

    def text(self, field: str) -> str:
        """Return what stands in an input."""
        return self.query_one(f"#{field}", Input).value.strip()

    def chosen(self, field: str) -> int:
        """Return the place of a choice's answer."""
        return self.query_one(f"#{field}", Choice).chosen

    def show_field(self, field: str, shown: bool) -> None:
        """Show a field with its label, or hide both."""
        widget = self.query_one(f"#{field}")
        box = widget.parent
        if isinstance(box, Widget) and box.display != shown:
            box.display = shown

    def _outlined(self) -> Outline:
        try:
            return self.outline()
        except BadInput as problem:
            return Outline(None, problem=str(problem))

    def _missing(self, outline: Outline) -> str:
        if outline.problem:
            return outline.problem
        if self.last and (why := self.picture.arming.refusal()):
            return why
        context = self.picture.context
        live = context.mode is Mode.LIVE and self.last
        if live and self.text("typed") != context.name:
            return f"this is live: type {visible(context.name, 40)} above"
        return ""

    def look(self) -> None:
        """Show what the fields say now."""
        outline = self._outlined()
        problem = self.problem_of(self.step) if not self.last else ""
        missing = problem or self._missing(outline)
        shown = (outline.facts, outline.drafted, missing, outline.warnings, self.step)
        if shown == self._shown:
            return
        self._shown = shown
        note = self.query_one("#note", Static)
        said = missing or "; ".join(outline.warnings)
        note.update(Content(visible(said, 240)))
        note.set_class(bool(said), "-missing")
        self.query_one("#create", Button).disabled = bool(missing)
        if self.last:
            self._review(outline)
        else:
            self.draw(outline)

    def _review(self, outline: Outline) -> None:
        facts: list[tuple[str, str]] = [
            (f"{'at Stripe':<12}", "$md-muted"),
            ("not there", "$md-text"),
            ("  →  ", "$md-accent"),
            ("created\n", "bold $md-bright"),
        ]
        for label, value in outline.facts:
            facts.append((f"{label:<12}", "$md-muted"))
            facts.append((f"{visible(value, 120)}\n", "$md-bright"))
        self.query_one("#facts", Static).update(Content.assemble(*facts))
        text = outline.drafted.text if outline.drafted else ""
        lines = "\n".join(visible(line, 200) for line in text.split("\n"))
        self.query_one("#toml", Static).update(Content.styled(lines, "$md-text"))

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        self.look()

    # -- from step to step -----------------------------------------------------

    @on(Input.Submitted)
    @on(Choice.Left)
    def _entered(self) -> None:
        self._enter.held()
        if self.last:
            self.query_one("#cancel", Button).focus()
            return
        fields = [
            w
            for w in self.query_one(f"#step-{self.step}").query("Input, Choice")
            if w.focusable
        ]
        if self.focused is fields[-1]:
            self.action_next()
        else:
            self.focus_next()

    @on(Button.Pressed, "#next")
    def action_next(self) -> None:
        """Go to the next step, if this one is complete."""
        self._enter.held()  # where it was Enter on the button
        if self.last:
            return
        problem = self.problem_of(self.step)
        if not problem and self.step == len(self.STEPS) - 1:
            problem = self._outlined().problem
        if problem:
            self.look()
            self.app.bell()
            return
        self._turn_to(self.step + 1)

    def action_scroll(self, lines: int) -> None:
        """Scroll what will be created."""
        self.query_one("#review").scroll_relative(y=lines, animate=False)

    def action_back(self) -> None:
        """Go a step back; from the first one leave."""
        if self.step:
            self._turn_to(self.step - 1)
        else:
            self.dismiss(None)

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        if not self._enter.held():
            self.dismiss(None)

    @on(Button.Pressed, "#create")
    def _created(self) -> None:
        if not self._enter.held():
            self.action_create()

    def action_create(self) -> None:
        """Return the request, from the last step only."""
        outline = self._outlined()
        if self.last and outline.request is not None and not self._missing(outline):
            self.dismiss(outline.request)
            return
        self.look()
        self.app.bell()

    def action_copy(self) -> None:
        """Copy the text for the configuration to the terminal's clipboard."""
        drafted = self._outlined().drafted
        if drafted is not None:
            self.app.copy_to_clipboard(drafted.text)
            self.query_one("#hint", Static).update(
                "copied; paste it into the configuration"
            )
