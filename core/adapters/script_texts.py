"""The texts of all scripts, for programs in other languages that send them."""

from __future__ import annotations

from meterdeck.core.adapters.consume_calls import CONSUME
from meterdeck.core.adapters.scripts import Script

_FILES = (
    CONSUME,
    ("checks", "settle"),
    ("checks", "reserved", "give_back"),
    ("checks", "replay"),
    ("checks", "trail", "adjust"),
    ("checks", "trail", "set_override"),
    ("checks", "trail", "clear_override"),
)


def script_texts() -> dict[str, Script]:
    """Return every script by its name in docs/redis-contract.md."""
    names = ("consume", *(files[-1] for files in _FILES[1:]))
    return {
        name: Script(*files) for name, files in zip(names, _FILES, strict=True)
    }
