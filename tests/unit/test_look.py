"""Colours that are read and told apart, and which ones the console begins with."""

from itertools import combinations
from math import dist

import pytest
from textual.color import Color

from meterdeck.tui.look import look_of
from meterdeck.tui.memory import Memory
from meterdeck.tui.terminal import has_browser
from meterdeck.tui.themes import COLOUR_BLIND, DARK, LIGHT, PREFIX, THEMES

SHADES = {theme.name: theme.variables for theme in THEMES if not theme.ansi}
READ = ("text", "bright", "low", "near", "high", "good", "accent")
Matrix = tuple[tuple[float, float, float], ...]
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
DEFICIENCIES: dict[str, Matrix] = {
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(name: str, role: str) -> tuple[float, ...]:
    """Return a role's colour as linear RGB."""
    colour = Color.parse(SHADES[name][PREFIX + role])
    parts = (colour.r / 255, colour.g / 255, colour.b / 255)
    return tuple(
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    )


def luminance(rgb: tuple[float, ...]) -> float:
    """Return the relative luminance of WCAG 2."""
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(name: str, role: str, ground: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    pair = sorted(luminance(linear(name, each)) for each in (role, f"ground-{ground}"))
    return (pair[1] + 0.05) / (pair[0] + 0.05)


def lab(rgb: tuple[float, ...]) -> tuple[float, float, float]:
    """Return CIE L*a*b* of linear RGB, D65."""
    red, green, blue = (min(max(c, 0.0), 1.0) for c in rgb)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("name", SHADES)
def test_every_text_can_be_read(name: str) -> None:
    """4.5 to 1 on the grounds that text lies on, as WCAG 2 AA asks; muted 3.5."""
    grounds = ("base", "bar", "panel", "cursor")
    poor = [
        (role, ground, round(contrast(name, role, ground), 2))
        for role in (*READ, "muted")
        for ground in grounds
        if contrast(name, role, ground) < (3.5 if role == "muted" else 4.5)
    ]

    assert poor == []


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_the_colour_blind_theme_tells_levels_apart(kind: str) -> None:
    """Whichever cones are missing: calm, near and high stay far from one another."""

    def seen(role: str) -> tuple[float, float, float]:
        rgb = linear(COLOUR_BLIND, role)
        rows = DEFICIENCIES[kind]
        return lab(
            tuple(sum(a * b for a, b in zip(row, rgb, strict=True)) for row in rows)
        )

    for one, other in combinations(("low", "near", "high"), 2):
        assert dist(seen(one), seen(other)) > 25, (one, other)


COLOURS = {"COLORTERM": "truecolor", "TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("console", "environ", "chosen", "theme"),
    [
        ({}, {}, "", "dark"),
        ({}, {"COLORFGBG": "0;15"}, "", "light"),
        ({}, {"COLORFGBG": "15;0"}, "", "dark"),
        ({"theme": "colour-blind"}, {"COLORFGBG": "0;15"}, "", "colour-blind"),
        ({"theme": "dark"}, {}, "light", "light"),
        ({"theme": "dark"}, {"METERDECK_CONSOLE__THEME": "light"}, "", "light"),
        ({"theme": "dark"}, {"NO_COLOR": "1"}, "light", "ansi"),
        ({"theme": "pink"}, {}, "purple", "dark"),
        ({"theme": 3}, {}, "", "dark"),
        (3, {}, "", "dark"),
    ],
)
def test_the_theme_is_what_was_asked_for_and_can_be_shown(
    console: object, environ: dict[str, str], chosen: str, theme: str
) -> None:
    """NO_COLOR first, then F2's choice, the environment, the file, the terminal."""
    memory = Memory(None)
    memory.put("look", {"theme": chosen})

    assert look_of({"console": console}, COLOURS | environ, memory).theme == theme


def test_over_ssh_the_mouse_stays_the_terminals() -> None:
    """To select text with, unless it is asked for."""
    far = COLOURS | {"SSH_CONNECTION": "1 2 3 4"}
    asked = {"console": {"mouse": "on"}}

    assert look_of({}, COLOURS, Memory(None)).mouse
    assert not look_of({}, far, Memory(None)).mouse
    assert look_of(asked, far, Memory(None)).mouse
    assert not look_of({"console": {"mouse": "off"}}, COLOURS, Memory(None)).mouse
    assert not has_browser(far | {"DISPLAY": ":0"})
    assert has_browser(COLOURS | {"DISPLAY": ":0"})


def test_themes_are_named_once() -> None:
    """The dark one comes first: F2 begins there."""
    assert [theme.name for theme in THEMES][:2] == [DARK, LIGHT]
