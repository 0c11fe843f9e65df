"""What the terminal can do, decided before Textual is imported.

Textual reads its environment once, when it is imported: theme, frames a second and
animations have to be set before that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping

_REMOTE = ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def over_ssh(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal is at the other end of an SSH connection."""
    return any(environ.get(name) for name in _REMOTE)


def has_browser(environ: Mapping[str, str]) -> bool:
    """Tell whether a page that is opened here is seen by whoever sits here."""
    if over_ssh(environ):
        return False
    return sys.platform == "darwin" or any(environ.get(name) for name in _DISPLAYS)


def sixteen_colours(environ: Mapping[str, str]) -> bool:
    """Tell whether to stay with the terminal's own sixteen colours, or with none."""
    if "NO_COLOR" in environ:
        return True
    if environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return False
    term = environ.get("TERM", "")
    return not any(mark in term for mark in ("256color", "direct", "kitty", "ghostty"))


def light_ground(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal says that its ground is light.

    Few terminals do: by COLORFGBG, whose last number is the ground's colour.
    """
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return ground in ("7", "15")


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set what Textual reads at its import; a choice already made is kept.

    With NO_COLOR an ANSI theme must be known when the program starts, or Textual
    paints black on black.
    """
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    # 120: a key that follows a data tick waits for half a frame of 60. Over SSH
    # fewer frames keep a slow link from filling with pictures nobody sees.
    environ.setdefault("TEXTUAL_FPS", "30" if over_ssh(environ) else "120")
    environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if sixteen_colours(environ):
        environ.setdefault("TEXTUAL_THEME", "ansi-dark")
