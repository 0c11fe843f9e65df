"""Help, made from the bindings that are live on the screen below."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from meterdeck.core.model.text import visible
from meterdeck.tui.actions import BY_ID
from meterdeck.tui.actions.keys import key_label
from meterdeck.tui.dialogs.dialog import Dialog

_SIGNS = (
    ("━━━──", "$md-low", "share of the limit"),
    ("!", "$md-near", "near: above 70 %"),
    ("!!", "$md-high", "above 90 %"),
    ("FULL", "$md-high", "at the limit: calls are refused"),
    ("OVER", "$md-near", "beyond a limit that lets calls pass: soft, shadow, grace"),
    ("∞", "$md-muted", "unlimited: a count, no bar"),
    ("≈", "$md-text", "an estimate of distinct members, standard error 0.81 %"),
    ("±", "$md-text", "an override replaces the plan's limit"),
    ("= ≠ +", "$md-good", "as declared, differs, not declared: the catalogue"),
    ("✗", "$md-high", "the key holds something that is no counter"),
    ("▁▃▆", "$md-spark", "the worst counter, 5 s a column"),
    ("▼ ▲", "$md-bright", "the order of the table; the same key turns it"),
)
_KEYS, _ROOM = 10, 56  # cells of a line: keys, and what they do


class HelpScreen(Dialog[None]):
    """Every key of the screen below, and what the signs mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,f1", "close", "Close"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, active: Mapping[str, ActiveBinding], you: str) -> None:
        super().__init__()
        self._groups = grouped(active)
        self._you = you

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="help"):
            yield Static(self._text(), markup=False)

    def _text(self) -> Content:
        you = visible(self._you, 200)
        parts = [Content.styled(f"{you}\n\n", "$md-muted")]
        for title, rows in self._groups.items():
            parts.append(Content.styled(f"{title}\n", "bold $md-bright"))
            for keys, does in rows:
                parts += _line(keys, "$md-accent", does)
            parts.append(Content("\n"))
        parts.append(Content.styled("Signs\n", "bold $md-bright"))
        for sign, style, meaning in _SIGNS:
            parts += _line(sign, style, meaning)
        return Content("").join(parts)

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _line(mark: str, style: str, text: str) -> list[Content]:
    """Write what a mark means; what has no room goes on below, as far in."""
    indented = f"\n{' ' * (_KEYS + 2)}".join(wrap(text, _ROOM))
    return [
        Content.styled(f"  {mark:<{_KEYS}}", style),
        Content.styled(f"{indented}\n", "$md-text"),
    ]


def grouped(active: Mapping[str, ActiveBinding]) -> dict[str, list[tuple[str, str]]]:
    """Return (keys, what they do) by where they work; each action once."""
    found: dict[str, dict[str, list[str]]] = {}
    for key, entry in active.items():
        rows = found.setdefault(_group(entry), {})
        rows.setdefault(entry.binding.description or entry.binding.action, []).append(
            key
        )
    order = ("This screen", "The list", "Everywhere")
    return {
        title: [
            (" ".join(map(key_label, keys)), visible(does))
            for does, keys in rows.items()
        ]
        for title, rows in sorted(found.items(), key=lambda item: order.index(item[0]))
    }


def _group(entry: ActiveBinding) -> str:
    if isinstance(entry.node, App):
        return "Everywhere"
    if isinstance(entry.node, Screen):
        # Textual's own bindings of every screen have no id.
        return "This screen" if entry.binding.id in BY_ID else "Everywhere"
    return "The list"
