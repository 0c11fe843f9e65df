"""Which colours the console begins with, and whether it takes the mouse.

Decided before the first paint, from what is cheap to know: the terminal's
environment, the file's `[console]` table, what the user chose last time. What is wrong
in the file is complained about later, when it is loaded whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meterdeck.tui.memory import Memory
from meterdeck.tui.terminal import light_ground, over_ssh, sixteen_colours

File = Mapping[str, object]
SECTION = "look"
_LIGHT_OF_AUTO, _DARK_OF_AUTO = "light", "dark"
NAMES = ("dark", "light", "ansi", "colour-blind")
"""Names of our themes without their prefix."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the console begins; `theme` is one of `NAMES`."""

    theme: str
    mouse: bool


def look_of(tree: File, environ: Mapping[str, str], memory: Memory) -> Look:
    """Return the look: what the terminal cannot show is never chosen.

    A theme chosen by F2 wins over the file's, the file's over what the terminal's
    ground suggests. Over SSH the mouse is left to the terminal, to select text with.
    """
    return Look(_theme(tree, environ, memory), _mouse(tree, environ))


def _theme(tree: File, environ: Mapping[str, str], memory: Memory) -> str:
    if sixteen_colours(environ):
        return "ansi"
    for wanted in (memory.get(SECTION).get("theme"), _setting(tree, environ, "theme")):
        if wanted in NAMES:
            return str(wanted)
    return _LIGHT_OF_AUTO if light_ground(environ) else _DARK_OF_AUTO


def _mouse(tree: File, environ: Mapping[str, str]) -> bool:
    wanted = _setting(tree, environ, "mouse")
    if wanted in ("on", "off"):
        return wanted == "on"
    return not over_ssh(environ)


def _setting(tree: File, environ: Mapping[str, str], name: str) -> object:
    from_environment = environ.get(f"METERDECK_CONSOLE__{name.upper()}")
    if from_environment is not None:
        return from_environment
    table = tree.get("console")
    return table.get(name) if isinstance(table, dict) else None
