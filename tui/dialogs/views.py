"""The menu of saved views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static

from meterdeck.tui.dialogs.menu import Entry, Menu
from meterdeck.tui.render import fit
from meterdeck.tui.views import View

_KEYED = 9


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done with a view; without one, what is shown is to be saved."""

    view: View | None = None
    delete: bool = False


class ViewsDialog(Menu[Asked]):
    """Returns which view to open or to delete, or that a new one is wanted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "move(1)", "Next", show=False),
        Binding("s", "save", "Save what is shown", show=False),
        Binding("x,delete", "forget", "Delete", show=False),
    ]

    def __init__(self, views: Sequence[View]) -> None:
        super().__init__("Views", [_entry(*each) for each in enumerate(views, 1)])

    def on_mount(self) -> None:
        super().on_mount()
        hint = "s saves what is shown, x deletes one of yours"
        self.query_one("#dialog").mount(Static(hint, id="hint", markup=False))

    def action_save(self) -> None:
        """Ask for a name of what is shown."""
        self.dismiss(Asked())

    def action_forget(self) -> None:
        """Delete the view at the cursor, if it is the user's own."""
        place = self.query_one(OptionList).highlighted
        view = self._entries[place].value.view if place is not None else None
        if view is not None and view.own:
            self.dismiss(Asked(view, delete=True))


def _entry(number: int, view: View) -> Entry[Asked]:
    key = str(number) if number <= _KEYED else ""
    own = "●" if view.own else " "
    prompt = Content.assemble(
        (f" {key:<2}", "$md-accent"),
        f" {fit(view.name, 18)} ",
        (f"{fit(view.filter, 40)} {own}", "$md-muted"),
    )
    return Entry(key, Asked(view), prompt)
