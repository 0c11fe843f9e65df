"""Large figures, three lines high, for a display on a wall."""

from __future__ import annotations

_GLYPHS = {
    "0": ("█▀█", "█ █", "▀▀▀"),
    "1": ("▀█ ", " █ ", "▀▀▀"),
    "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", " ▀█", "▀▀▀"),
    "4": ("█ █", "▀▀█", "  ▀"),
    "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"),
    "7": ("▀▀█", "  █", "  ▀"),
    "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"),
    "k": ("█ ▄", "█▀▄", "▀ ▀"),
    "M": ("█▄█", "█ █", "▀ ▀"),
    "s": ("   ", "▄▀▀", "▄▄▀"),
    "m": ("   ", "█▀█", "▀ ▀"),
    "h": ("█  ", "█▀█", "▀ ▀"),
    "d": ("  █", "█▀█", "▀▀▀"),
    ".": (" ", " ", "▀"),
    ",": (" ", " ", "▄"),
    "–": ("   ", "▀▀▀", "   "),
    "?": ("▀▀█", " ▀▀", " ▀ "),
}


def large(text: str) -> tuple[str, str, str]:
    """Return three lines that show a text of digits and units, one blank between."""
    glyphs = [_GLYPHS.get(each, _GLYPHS["?"]) for each in text]
    top, middle, low = (" ".join(glyph[line] for glyph in glyphs) for line in range(3))
    return top, middle, low
