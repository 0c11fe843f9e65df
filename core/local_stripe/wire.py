"""The JSON shapes that cross the wire, and their two-space rendering."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

Json: TypeAlias = dict[str, object]

# What a form or a JSON body holds before a schema has read it.
Raw: TypeAlias = "str | list[Raw] | dict[str, Raw]"

API_VERSION = "2026-10-28.endive"

# The pure-Python encoder that indents costs five times the C one; a long page
# is sent compact, and no client can tell the two apart.
_LARGEST_INDENTED_LIST = 10


def body_of(answer: Mapping[str, object]) -> bytes:
    """Render an answer as Stripe prints it: two spaces and a final newline."""
    data = answer.get("data")
    compact = isinstance(data, list) and len(data) > _LARGEST_INDENTED_LIST
    text = json.dumps(answer, indent=None if compact else 2, ensure_ascii=False)
    return text.encode() + b"\n"


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
