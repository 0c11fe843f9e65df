"""Colours: four themes as data, and the palette that lines are painted with.

A colour has a role (`near`, `muted`) and lies on a ground (`base`, `cursor`). State
is never told by colour alone: whoever paints a role writes a word or a sign too.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme


class Role(StrEnum):
    """What a piece of text is."""

    TEXT = "text"
    BRIGHT = "bright"
    MUTED = "muted"
    FAINT = "faint"
    ACCENT = "accent"
    LOW = "low"
    NEAR = "near"
    HIGH = "high"
    TRACK = "track"
    GOOD = "good"
    SPARK = "spark"
    SANDBOX = "sandbox"
    TEST = "test"
    LIVE = "live"


class Ground(StrEnum):
    """What a piece of text lies on."""

    BASE = "base"
    BAR = "bar"
    PANEL = "panel"
    CURSOR = "cursor"
    LIVE = "live"
    ALARM = "alarm"
    FOCUS = "focus"
    PROD = "prod"
    ARMED = "armed"
    """The frame of a live context that may be changed: red in every theme."""


_DARK = {
    "text": "#b9c2d0",
    "bright": "#edf1f7",
    "muted": "#76839a",
    "faint": "#3d4759",
    "accent": "#5fd7b4",
    "low": "#5a9cf8",
    "near": "#eab64e",
    "high": "#f4606c",
    "track": "#242c3a",
    "good": "#5fd7b4",
    "spark": "#4d7ea8",
    "sandbox": "#5fd7b4",
    "test": "#b69cf6",
    "live": "#ffffff",
    "ground-base": "#0c0f15",
    "ground-bar": "#12161f",
    "ground-panel": "#10141c",
    "ground-cursor": "#1d2636",
    "ground-live": "#c4313f",
    "ground-alarm": "#4a1d25",
    "ground-focus": "#2c3a53",
    "ground-prod": "#2c131a",
    "ground-armed": "#a3202f",
    "on-armed": "#ffffff",
    "muted-on-armed": "#ffd3d6",
}

_LIGHT = {
    "text": "#39414f",
    "bright": "#10151f",
    "muted": "#646d7e",
    "faint": "#c3c9d3",
    "accent": "#066a50",
    "low": "#1f5ac2",
    "near": "#855400",
    "high": "#b51c31",
    "track": "#d9dee6",
    "good": "#066a50",
    "spark": "#7fa3c7",
    "sandbox": "#066a50",
    "test": "#6c45c4",
    "live": "#ffffff",
    "ground-base": "#fbfbf9",
    "ground-bar": "#eff1f4",
    "ground-panel": "#f5f6f7",
    "ground-cursor": "#dfe8f8",
    "ground-live": "#c4313f",
    "ground-alarm": "#f9dcdf",
    "ground-focus": "#cfdcf3",
    "ground-prod": "#f7e3e5",
    "ground-armed": "#b3202f",
    "on-armed": "#ffffff",
    "muted-on-armed": "#ffdcde",
}

_ANSI = {
    "text": "ansi_default",
    "bright": "ansi_default",
    "muted": "ansi_default",
    "faint": "ansi_bright_black",
    "accent": "ansi_cyan",
    "low": "ansi_blue",
    "near": "ansi_yellow",
    "high": "ansi_red",
    "track": "ansi_bright_black",
    "good": "ansi_green",
    "spark": "ansi_cyan",
    "sandbox": "ansi_green",
    "test": "ansi_magenta",
    "live": "ansi_white",
    "ground-base": "ansi_default",
    "ground-bar": "ansi_default",
    "ground-panel": "ansi_default",
    "ground-cursor": "ansi_default",
    "ground-live": "ansi_red",
    "ground-alarm": "ansi_default",
    "ground-focus": "ansi_default",
    "ground-prod": "ansi_default",
    "ground-armed": "ansi_red",
    "on-armed": "ansi_bright_white",
    "muted-on-armed": "ansi_white",
}

_COLOUR_BLIND = _DARK | {
    "accent": "#7cc7f2",
    "low": "#4f9be8",
    "near": "#f8ef9a",
    "high": "#ee7326",
    "good": "#7cc7f2",
    "sandbox": "#7cc7f2",
    "test": "#d9a0c4",
    "ground-live": "#a84a00",
    "ground-alarm": "#4a2a12",
    "ground-prod": "#2b1a0e",
    "ground-armed": "#a84a00",
    "muted-on-armed": "#ffe3cf",
}
"""Blue, yellow and orange, of different lightness: told apart without red and green."""

DARK = "meterdeck-dark"
LIGHT = "meterdeck-light"
ANSI = "meterdeck-ansi"
COLOUR_BLIND = "meterdeck-colour-blind"
THEME_PREFIX = "meterdeck-"
PREFIX = "md-"


def _theme(name: str, shades: Mapping[str, str], *, dark: bool, ansi: bool) -> Theme:
    # Textual's own widgets need some variables only in an ANSI theme.
    variables = dict(BUILTIN_THEMES["ansi-dark"].variables) if ansi else {}
    variables |= {PREFIX + role: colour for role, colour in shades.items()}
    variables |= {
        "block-cursor-background": shades["accent"],
        "block-cursor-foreground": shades["ground-base"] if not ansi else "ansi_black",
        "input-cursor-background": shades["accent"],
        "input-cursor-foreground": shades["ground-base"] if not ansi else "ansi_black",
        "scrollbar": shades["faint"],
        "scrollbar-background": shades["ground-base"],
    }
    return Theme(
        name=name,
        primary=shades["accent"],
        secondary=shades["low"],
        warning=shades["near"],
        error=shades["high"],
        success=shades["good"],
        accent=shades["accent"],
        foreground=shades["text"],
        background=shades["ground-base"],
        surface=shades["ground-panel"],
        panel=shades["ground-bar"],
        boost=shades["ground-cursor"],
        dark=dark,
        ansi=ansi,
        variables=variables,
    )


THEMES = (
    _theme(DARK, _DARK, dark=True, ansi=False),
    _theme(LIGHT, _LIGHT, dark=False, ansi=False),
    _theme(ANSI, _ANSI, dark=True, ansi=True),
    _theme(COLOUR_BLIND, _COLOUR_BLIND, dark=True, ansi=False),
)


_QUIET = frozenset({Role.MUTED, Role.FAINT, Role.TRACK, Role.LOW})


class Palette:
    """Styles of one theme by role and ground.

    Args:
        variables: A theme's variables.
        stale: Whether everything is dimmed, because it is an old picture.
    """

    def __init__(
        self, variables: Mapping[str, str], *, ansi: bool, stale: bool = False
    ) -> None:
        self.ansi = ansi
        self._stale = stale
        self._variables = variables
        self._styles: dict[tuple[Role, Ground, bool], Style] = {}

    def style(
        self, role: Role, ground: Ground = Ground.BASE, *, bold: bool = False
    ) -> Style:
        """Return the style of `role` on `ground`."""
        key = (role, ground, bold)
        if (found := self._styles.get(key)) is None:
            found = self._styles[key] = self._make(role, ground, bold)
        return found

    def _make(self, role: Role, ground: Ground, bold: bool) -> Style:
        below = self._colour(f"ground-{ground}")
        above = self._colour(_on_red(role) if ground is Ground.ARMED else role)
        if self._stale and not self.ansi:
            above = above.blend(below, 0.55)
        marked = self.ansi and ground in (Ground.CURSOR, Ground.ALARM)
        turned = marked and role is Role.BRIGHT
        if self.ansi and ground is Ground.FOCUS:
            turned = role is Role.ACCENT
        return Style(
            color=_rich("ansi_bright_black", above, self._stale and self.ansi),
            bgcolor=below.rich_color,
            bold=True if bold or marked else None,
            reverse=True if turned else None,
        )

    def _colour(self, name: str) -> Color:
        return Color.parse(self._variables[PREFIX + name])


def _on_red(role: Role) -> str:
    """Name the colour of a role on the red frame, where its own would not be read."""
    return "muted-on-armed" if role in _QUIET else "on-armed"


def _rich(grey: str, colour: Color, greyed: bool) -> RichColor:
    return Color.parse(grey).rich_color if greyed else colour.rich_color


_BY_NAME = {theme.name: theme for theme in THEMES}


@lru_cache(maxsize=16)
def palette(name: str, *, stale: bool = False) -> Palette:
    """Return the palette of a theme, the dark one for a theme that is not ours."""
    theme = _BY_NAME.get(name, _BY_NAME[DARK])
    return Palette(theme.variables, ansi=theme.ansi, stale=stale)
