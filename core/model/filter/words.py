"""When a text has a word: as it stands, or at least its letters in order."""

from __future__ import annotations

import re
from functools import lru_cache

FIELD = "\x1f"
"""Between two fields of a record; no word reaches from one into the next."""
ROW = "\n"
_LEAST = 3
_MOST_SKIPPED = 8


def plain(text: str) -> str:
    """Return a text as it is compared: upper and lower case are the same."""
    return text.lower().replace(ROW, " ").replace(FIELD, " ")


def is_loose(word: str) -> bool:
    """Whether a word may match by its letters alone; short ones would match all."""
    return len(word) >= _LEAST


@lru_cache(maxsize=64)
def letters_in_order(word: str) -> re.Pattern[str]:
    """Return what finds the letters of a plain word in order, in one field.

    The first begins a word of the text, and no two are further apart than eight.
    """
    gap = f"[^{FIELD}{ROW}]{{0,{_MOST_SKIPPED}}}?"
    first, *rest = map(re.escape, word)
    # The letter before what is asked of its place: a pattern that begins with a
    # letter is searched for a hundred times as fast.
    begins = f"{first}(?<![^\\W_]{first})"
    return re.compile(gap.join([begins, *rest]))
