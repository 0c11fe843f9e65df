"""Raw values of counters: strictly read, fast where all of them are numbers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from meterdeck.core.model.fleet_update import NO_COUNTER
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.usage import Broken

_ABSENT = str(NO_COUNTER).encode()
_SHOWN = 40  # characters of a value that is no number

_TYPES = {
    "hash": "a hash",
    "list": "a list",
    "set": "a set",
    "stream": "a stream",
    "zset": "a sorted set",
}


def read_values(
    raw: Sequence[bytes | None],
) -> tuple[array[int], dict[int, Broken]]:
    """Return the values, and by index what is no whole number.

    Absent ones are `NO_COUNTER`; broken ones too.
    """
    texts = [_ABSENT if value is None else value for value in raw]
    try:
        values = array("q", map(int, texts))
    except (ValueError, OverflowError):
        return _one_by_one(raw)
    # int() takes more than Redis does: " 7", "+7", "1_000", "007". Written back
    # they differ; one comparison tells for all of them.
    if str(values.tolist())[1:-1].encode() == b", ".join(texts) and (
        values.count(NO_COUNTER) == raw.count(None)
    ):
        return values, {}
    return _one_by_one(raw)


def _one_by_one(raw: Sequence[bytes | None]) -> tuple[array[int], dict[int, Broken]]:
    values = array("q", [NO_COUNTER]) * len(raw)
    broken: dict[int, Broken] = {}
    for place, text in enumerate(raw):
        if text is None:
            continue
        value = parse_counter(text)
        if value is None:
            broken[place] = broken_text(text)
        else:
            values[place] = value
    return values, broken


def broken_text(raw: bytes) -> Broken:
    """Say what a string holds instead of a whole number, shortened."""
    text = raw[: 4 * _SHOWN].decode("utf-8", "surrogateescape")
    dots = "…" if len(text) > _SHOWN or len(raw) > 4 * _SHOWN else ""
    return Broken(f"'{text[:_SHOWN]}{dots}'")


def broken_type(type_name: str) -> Broken:
    """Say what a key of another type holds."""
    return Broken(_TYPES.get(type_name, f"a value of type {type_name}"))
