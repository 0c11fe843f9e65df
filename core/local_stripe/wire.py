"""The JSON shapes that cross the wire, and their two-space rendering."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import TypeAlias

Json: TypeAlias = dict[str, object]

# What a form or a JSON body holds before a schema has read it.
Raw: TypeAlias = "str | list[Raw] | dict[str, Raw]"

API_VERSION = "2026-10-28.endive"


def body_of(answer: Mapping[str, object]) -> bytes:
    """Render an answer as Stripe prints it: two spaces and a final newline."""
    parts: list[str] = []
    _print(dict(answer), "\n", parts.append)
    parts.append("\n")
    return "".join(parts).encode()


# `json.dumps` with an indent takes three times as long as without, this less than
# twice: a page of a hundred subscriptions has ten thousand values.
def _print(value: object, newline: str, write: Callable[[str], None]) -> None:
    if value is None:
        write("null")
    elif isinstance(value, str):
        write(encode_basestring(value))
    elif isinstance(value, dict):
        _print_group(value, newline, write)
    elif isinstance(value, list):
        _print_list(value, newline, write)
    elif isinstance(value, bool):
        write("true" if value else "false")
    elif isinstance(value, int):
        write(repr(value))
    else:
        write(json.dumps(value))


def _print_group(group: Json, newline: str, write: Callable[[str], None]) -> None:
    inner = f"{newline}  "
    before = "{" + inner
    for key, value in group.items():
        write(f"{before}{encode_basestring(key)}: ")
        _print(value, inner, write)
        before = f",{inner}"
    write(f"{newline}}}" if group else "{}")


def _print_list(
    values: list[object], newline: str, write: Callable[[str], None]
) -> None:
    inner = f"{newline}  "
    before = f"[{inner}"
    for value in values:
        write(before)
        _print(value, inner, write)
        before = f",{inner}"
    write(f"{newline}]" if values else "[]")


def in_wire_order(answer: Mapping[str, object]) -> Json:
    """Order keys as Stripe's v1 objects have them: id, object, then the alphabet."""
    head = [key for key in ("id", "object") if key in answer]
    return {key: answer[key] for key in head + sorted(answer.keys() - set(head))}


def seconds(moment: datetime) -> int:
    """Give whole Unix seconds."""
    return int(moment.timestamp())


def from_seconds(value: int) -> datetime:
    """Give the aware UTC moment of Unix seconds."""
    return datetime.fromtimestamp(value, UTC)


def rfc3339(moment: datetime) -> str:
    """Print a moment as v2 does: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
