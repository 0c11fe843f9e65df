"""What a key holds instead of what it should, in words."""

from __future__ import annotations

from meterdeck.core.model.text import visible

_TYPES = {
    "string": "text",
    "list": "a list",
    "other text": "text that meterdeck did not write",
    "entry without hash": "an entry that meterdeck did not write",
    "hash": "a hash",
    "set": "a set",
    "zset": "a sorted set",
    "stream": "a stream",
}


def holding(kind: str, raw: bytes | None = None) -> str:
    """Describe a key of Redis type `kind`.

    Args:
        kind: As TYPE answers, or one of the scripts' own words.
        raw: A string's value or its start, where it is to be quoted.
    """
    if kind == "string" and raw is not None:
        return "'" + visible(raw.decode("utf-8", "surrogateescape"), 64) + "'"
    return _TYPES.get(kind, visible(kind))
