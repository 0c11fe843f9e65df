"""Keys of actions that the user has chosen instead of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from textual.keys import _character_to_key

from meterdeck.core.model.text import visible
from meterdeck.core.settings.nearest import suggest
from meterdeck.tui.actions import ACTIONS, BY_ID, Action, Area

_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-z_]+|f[0-9]{1,2}|[A-Za-z0-9])")
_NAMES = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "enter": "↵",
    "escape": "esc", "slash": "/", "question_mark": "?", "colon": ":",
    "exclamation_mark": "!", "comma": ",", "full_stop": ".", "asterisk": "*",
    "left_square_bracket": "[", "right_square_bracket": "]", "equals_sign": "=",
    "pagedown": "PgDn", "pageup": "PgUp", "home": "Home", "end": "End",
}  # fmt: skip


MOVES = tuple(
    Action(name, keys, label, "", "", Area.EVERYWHERE)
    for name, keys, label in (
        ("list_down", "down,j", "↓"),
        ("list_up", "up,k", "↑"),
        ("list_page_down", "pagedown,ctrl+f", "PgDn"),
        ("list_page_up", "pageup,ctrl+b", "PgUp"),
        ("list_first", "g,home", "g"),
        ("list_last", "G,end", "G"),
    )
)
"""Steps in lists; not actions of a screen, but their keys can be chosen, too."""
_CHOOSABLE = BY_ID | {move.id: move for move in MOVES}


@dataclass(frozen=True, slots=True)
class Keys:
    """Which key does what.

    Attributes:
        chosen: Ids of actions with their keys, as Textual takes them.
        problems: Why some of what was configured does not hold, a sentence each.
    """

    chosen: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()

    def label(self, action: Action) -> str:
        """Return how an action's key is written on the screen."""
        keys = self.chosen.get(action.id)
        return action.key_label if keys is None else key_label(keys.partition(",")[0])


def keys_of(configured: Sequence[tuple[str, str]]) -> Keys:
    """Return the keys that were configured, without those that cannot be.

    Args:
        configured: Pairs of an action's id and its keys, separated by commas.
    """
    chosen: dict[str, str] = {}
    problems: list[str] = []
    for name, text in configured:
        where = f"console.keys.{visible(name, 30)}"
        keys = [_key(part) for part in text.split(",")] if text != "," else ["comma"]
        if name not in _CHOOSABLE:
            problems.append(f"{where}: no such action; {suggest(name, _CHOOSABLE)}")
        elif not all(keys):
            problems.append(f"{where}: {visible(text, 30)} is no key; as in ctrl+o, f5")
        elif clash := _clash(_CHOOSABLE[name], keys, chosen):
            problems.append(f"{where}: {clash}")
        else:
            chosen[name] = ",".join(keys)
    return Keys(chosen, tuple(problems))


def _key(text: str) -> str:
    """Return a key's name as Textual has it; "" for what is none."""
    text = text.strip()
    if len(text) == 1:
        return text if text.isalnum() else _character_to_key(text)
    return text if _KEY.fullmatch(text) else ""


def _clash(action: Action, keys: Sequence[str], chosen: Mapping[str, str]) -> str:
    for other in (*ACTIONS, *MOVES):
        if other.id == action.id or not other.area & action.area:
            continue
        theirs = chosen.get(other.id, other.keys).split(",")
        for key in keys:
            if key in theirs:
                return f"{key_label(key)} is the key of {other.id} on the same screen"
    return ""


def key_label(key: str) -> str:
    """Return a key as it is written on the screen."""
    name = key.replace("ctrl+", "^").replace("shift+", "⇧")
    name = _NAMES.get(name, name)
    return name.upper() if re.fullmatch(r"f[0-9]+", name) else name
