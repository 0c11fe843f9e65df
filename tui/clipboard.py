"""Copying through the terminal (OSC 52): works over SSH, where no other way does.

Terminal multiplexers swallow the sequence unless it is wrapped for them; which of the
two forms a tmux lets through is a setting of its own (`set-clipboard`,
`allow-passthrough`), so it is given both, and ignores what it does not allow.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from unicodedata import category

from meterdeck.core.model.text import visible

LARGEST = 74_994
"""Bytes that terminals take for certain: what xterm reads of an OSC 52, decoded."""
_SCREEN_PIECE = 240


def sequence(text: str, environ: Mapping[str, str]) -> str:
    """Return what has the terminal put `text` on its clipboard.

    Args:
        text: At most `LARGEST` bytes as UTF-8; `fits` tells.
        environ: Says which multiplexer the terminal is in.
    """
    plain = f"\x1b]52;c;{b64encode(_bytes(text)).decode()}\x07"
    if environ.get("TMUX"):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("TERM", "").startswith("screen") or environ.get("STY"):
        return "".join(_in_pieces(plain))
    return plain


class Lines(str):
    """A text of several lines, laid out by us; what is foreign in it is visible."""

    __slots__ = ()


def harmless(text: str) -> str:
    """Return a text that does nothing where it is pasted: a shell takes a line break.

    Bytes that are no UTF-8 stay what they are, so that keys can be copied.
    """
    if isinstance(text, Lines):
        return "\n".join(map(harmless, text.split("\n")))
    return "".join(visible(ch) if _acts(ch) else ch for ch in text)


def _acts(ch: str) -> bool:
    return category(ch) in {"Cc", "Cf", "Zl", "Zp"}


def fits(text: str) -> bool:
    """Tell whether terminals take so much."""
    return len(_bytes(text)) <= LARGEST


def _bytes(text: str) -> bytes:
    # A tenant's name in Redis need not be UTF-8; its bytes are what is copied.
    return text.encode("utf-8", "surrogateescape")


def _in_pieces(plain: str) -> list[str]:
    """Wrap for GNU screen, which takes a few hundred bytes at a time."""
    return [
        f"\x1bP{plain[start : start + _SCREEN_PIECE]}\x1b\\"
        for start in range(0, len(plain), _SCREEN_PIECE)
    ]
