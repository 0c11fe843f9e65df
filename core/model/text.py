"""Make foreign text visible: the one way outside data gets near a screen."""

from __future__ import annotations

import unicodedata

# Cc Cf: controls, bidi overrides, zero-width; Cs Co Cn: surrogates, private,
# unassigned; Zl Zp: line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, limit: int = 200) -> str:
    """Return `text` with nothing in it that a terminal could act on.

    Control characters become their Unicode pictures, other invisible ones their
    code point in ⟨…⟩. The result is still plain text: give it to the screen as
    content, never as markup.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown = "".join(_shown(ch) for ch in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def _shown(ch: str) -> str:
    code = ord(ch)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(ch) in _UNSAFE:
        return f"⟨{code:04X}⟩"
    return ch
