"""The menus of what is copied, and of how what is shown is written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from meterdeck.core.model.text import visible
from meterdeck.tui.dialogs.menu import Entry, Menu
from meterdeck.tui.render import fit

_SHOWN = 44
Copyable = tuple[str, str]
"""What it is, like "customer id", and the text."""


class CopyMenu(Menu[Copyable]):
    """Returns what to copy; the key that opened it takes the first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "first", show=False)]

    def __init__(self, offered: Sequence[Copyable]) -> None:
        self._offered = tuple(offered)
        super().__init__(
            "Copy",
            [
                Entry(_key(place), one, _prompt(place, *one))
                for place, one in enumerate(self._offered)
            ],
        )

    def action_first(self) -> None:
        """Take the first."""
        self.dismiss(self._offered[0])


def _key(place: int) -> str:
    return str(place) if 0 < place < 10 else "y" if not place else ""


def _prompt(place: int, name: str, text: str) -> Content:
    return Content.assemble(
        (f" {_key(place):<2}", "$md-accent"),
        f" {fit(name, 18)} ",
        (visible(text, _SHOWN), "$md-muted"),
    )


class Form(StrEnum):
    """How what is shown is written."""

    CSV = "csv"
    JSON = "json"
    SVG = "svg"


_FORMS = (
    (Form.CSV, "c", "CSV", "every line, for spreadsheets"),
    (Form.JSON, "j", "JSON", "every line, for programs"),
    (Form.SVG, "s", "SVG", "a picture of the screen"),
)


class ExportMenu(Menu[Form]):
    """Returns how to write what is shown; without a list, a picture only.

    Args:
        lines: Lines of the list; None where the screen shows none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("E", "close", show=False)]

    def __init__(self, lines: int | None) -> None:
        title = "Export" if lines is None else f"Export · {lines:,} in the list"
        super().__init__(
            title,
            [
                Entry(key, form, _form_prompt(key, name, note))
                for form, key, name, note in _FORMS
                if form is Form.SVG or lines is not None
            ],
        )


def _form_prompt(key: str, name: str, note: str) -> Content:
    return Content.assemble(
        (f" {key}  ", "$md-accent"), f"{name:<6}", (note, "$md-muted")
    )
