"""What every dialog that changes something has in common.

The dialog names the tenant and the environment, shows before → after while typing and
asks for a reason. Enter moves on and never confirms: the last stop is Cancel; Confirm
needs a step to it, or ctrl+s. In a live context its name has to be typed for what undo
cannot take back, and nothing is confirmed once the console is not armed any more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Mode
from meterdeck.core.model.request_foresight import Foresight
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Broken, Tenant
from meterdeck.tui.arming import asks_name
from meterdeck.tui.dialogs.confirm import turning
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.enter_guard import EnterGuard
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Request, Target
from meterdeck.tui.widgets.choice import Choice

_ROOMY = 24
"""Lines of a terminal in which the tallest dialog has room for all that it says."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a dialog says at this moment.

    Attributes:
        request: What confirming would send; None while something is missing.
        before: The value now, in words.
        after: The value then, in words; empty while it cannot be told.
        note: What follows from it, or what is missing.
        follows: What would follow where only a reason or the like is missing.
    """

    request: Request | None
    before: str
    after: str
    note: str
    follows: str = ""


class ChangeDialog(Dialog["Request | None"]):
    """Asks for one change of one tenant and returns the request, or None."""

    TITLE_TEXT: ClassVar[str] = ""
    VERB: ClassVar[str] = "Confirm"
    ASKS_RESOURCE: ClassVar[bool] = True
    ASKS_REASON: ClassVar[bool] = True
    BEYOND_UNDO: ClassVar[bool] = False
    """Whether what it does cannot be taken back, or is on a bill."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel: nothing changes"),
        Binding("ctrl+s", "confirm", "Confirm the change", priority=True),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    def __init__(self, picture: Picture, tenant: Tenant) -> None:
        super().__init__()
        self.picture = picture
        self.tenant = tenant
        self._enter = EnterGuard()
        self._seen: object = None

    # -- what the subclass says ------------------------------------------------

    @abstractmethod
    def fields(self) -> Iterator[tuple[str, Widget]]:
        """Yield label and widget of each field of its own."""

    @abstractmethod
    def draft(self, target: Target, reason: str) -> Draft:
        """Return what the fields say now; BadInput where they say nothing usable."""

    def foresight(self, request: Request) -> Foresight | None:
        """Return what becomes of a request that is asked for; None: it is made."""
        from meterdeck.tui.foresight import foresight  # noqa: PLC0415  # rare

        return foresight(request, self.picture)

    @property
    def beyond_undo(self) -> bool:
        """Whether what the fields say now cannot be taken back, or is on a bill."""
        return self.BEYOND_UNDO

    # -- layout ----------------------------------------------------------------

    def compose(self) -> ComposeResult:
        context = self.picture.context
        with Vertical(id="dialog"):
            yield Static(self._heading(), id="heading", markup=False)
            for label, widget in self._all_fields():
                with Horizontal(classes="field"):
                    yield Static(label, classes="label", markup=False)
                    yield widget
            yield Static(id="preview", markup=False)
            yield Static(id="note", markup=False)
            if context.changes is Changes.REQUEST:
                yield Static(id="asked", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(
                    self.VERB, id="confirm", variant="warning", compact=True,
                    disabled=True,
                )  # fmt: skip
            hint = "↵ next field   ctrl+s confirm   esc cancel"
            yield Static(hint, id="hint", markup=False)
        self.set_class(context.mode is Mode.LIVE, "-live")

    def _heading(self) -> Content:
        context = self.picture.context
        where = visible(context.name, 30)
        if where != context.mode.value:
            where = f"{where} {context.mode.value.upper()}"
        else:
            where = where.upper()
        return Content.assemble(
            (f"{self.TITLE_TEXT}\n", "bold $md-accent"),
            (f"{self.whom()}\n", "bold $md-bright"),
            ("in ", "$md-muted"),
            (where, "bold $md-high" if context.mode is Mode.LIVE else "$md-text"),
        )

    def whom(self) -> str:
        """Return whom the change is about, for the heading."""
        identity, name = visible(self.tenant.id, 64), visible(self.tenant.name, 64)
        return name if name == identity else f"{name} · {identity}"

    def what(self) -> str:
        """Return what is changed, before the preview."""
        return visible(self.target.resource.label, 24)

    def _all_fields(self) -> Iterator[tuple[str, Widget]]:
        if self.ASKS_RESOURCE:
            labels = [visible(r.label, 24) for r in self.picture.fleet.resources]
            yield "Resource", Choice(labels, id="resource")
        yield from self.fields()
        if self.ASKS_REASON:
            yield "Reason", Input(
                placeholder="why, for the audit trail", id="reason", compact=True,
                max_length=500,
            )  # fmt: skip
        if self.picture.context.mode is Mode.LIVE:
            yield "Live", Input(
                placeholder=f"type {visible(self.picture.context.name, 40)} to confirm",
                id="typed", compact=True,
            )  # fmt: skip

    def on_mount(self) -> None:
        if self.ASKS_RESOURCE:
            self.query_one("#resource", Choice).choose(max(self.first_column(), 0))
        for field in self.query(Input):
            field.cursor_blink = False
        self.set_interval(1.0, self.look)
        self.look()

    def first_column(self) -> int:
        """Return the column of the resource that is chosen at first: the worst."""
        row = self.picture.fleet.row_of(self.tenant.id)
        return self.picture.fleet.worst_column(row) if row is not None else 0

    # -- what the fields say ---------------------------------------------------

    @property
    def target(self) -> Target:
        """The tenant and the chosen resource."""
        number = self.query_one("#resource", Choice).chosen
        return Target(self.tenant, self.picture.fleet.resources[number])

    def text(self, field: str) -> str:
        """Return what stands in an input."""
        return self.query_one(f"#{field}", Input).value.strip()

    def chosen(self, field: str) -> int:
        """Return the place of a choice's answer."""
        return self.query_one(f"#{field}", Choice).chosen

    def used(self, target: Target) -> int | Broken | None:
        """Return the counter as last read."""
        fleet = self.picture.fleet
        row = fleet.row_of(self.tenant.id)
        if row is None:
            return None
        return fleet.used(row, fleet.column_of(target.resource.name))

    def _drafted(self) -> Draft:
        target = self.target
        reason = self.text("reason") if self.ASKS_REASON else ""
        try:
            draft = self.draft(target, reason)
        except BadInput as problem:
            return Draft(None, "", "", str(problem))
        missing = self.picture.arming.refusal() or self._missing(reason)
        if missing and draft.request is not None:
            return Draft(None, draft.before, draft.after, missing, draft.note)
        return draft

    def _missing(self, reason: str) -> str:
        if self.ASKS_REASON and not reason:
            return "a reason is missing"
        context = self.picture.context
        if self._asks_name and self.text("typed") != context.name:
            return f"this is live: type {visible(context.name, 40)} in the last field"
        return ""

    @property
    def _asks_name(self) -> bool:
        return asks_name(self.picture.context, beyond_undo=self.beyond_undo)

    def look(self) -> None:
        """Show before → after of what the fields say now, with the newest values."""
        for field in self.query("#typed"):
            if field.parent is not None:
                field.parent.display = self._asks_name
        draft = self._drafted()
        asked = self._asked(draft)
        said = (draft.note, draft.follows, asked)
        seen = (self.target, draft.before, draft.after, said)
        ready = draft.request is not None
        if (seen, ready) == self._seen:
            return
        self._seen = (seen, ready)
        self.query_one("#preview", Static).update(self._preview(draft))
        note = self.query_one("#note", Static)
        note.update(_says(draft, whole=self.size.height >= _ROOMY))
        note.set_class(draft.request is None, "-missing")
        self.query_one("#confirm", Button).disabled = draft.request is None
        for line in self.query("#asked").results(Static):
            line.update(Content(visible(asked, 240)))

    def _asked(self, draft: Draft) -> str:
        if draft.request is None or self.picture.context.changes is Changes.DIRECT:
            return ""
        found = self.foresight(draft.request)
        return "" if found is None else str(found)

    def _preview(self, draft: Draft) -> Content:
        label = self.what()
        if not draft.before:
            return Content.styled(label, "$md-muted")
        return turning(label, draft.before, draft.after)

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        self.look()

    # -- Enter moves on, never confirms ----------------------------------------

    @on(Input.Submitted)
    @on(Choice.Left)
    def _entered(self) -> None:
        self._enter.held()
        self.focus_next()

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        if not self._enter.held():
            self.dismiss(None)

    @on(Button.Pressed, "#confirm")
    def _confirmed(self) -> None:
        if not self._enter.held():
            self.action_confirm()

    def action_cancel(self) -> None:
        self.dismiss(None)

    def action_confirm(self) -> None:
        draft = self._drafted()
        if draft.request is not None:
            self.dismiss(draft.request)
            return
        self.look()
        self.app.bell()


def _says(draft: Draft, *, whole: bool) -> Content:
    """Write what follows, known before a reason is written, and what is missing."""
    note = Content(visible(draft.note, 240))
    if not (draft.follows and whole):
        return note
    follows = Content.styled(f"{visible(draft.follows, 240)}\n", "$md-muted")
    return follows.append(note)
