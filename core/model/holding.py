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
    """Describe a key of Redis type `kind`; `raw` is a string's value, its start, or not known."""
    if kind == "string" and raw is not None:
        return "'" + visible(raw.decode("utf-8", "surrogateescape"), 64) + "'"
    return _TYPES.get(kind, visible(kind))
