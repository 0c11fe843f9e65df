"""An override as the audit trail writes it: `2000 until 2026-11-27T18:00:00Z`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_WORDS = re.compile(r"(?P<units>unlimited|[0-9]{1,16})(?: until (?P<end>\S+Z))?")


@dataclass(frozen=True, slots=True)
class OverrideWords:
    """What an override's words say; `units` None is unlimited, `expires_at` never."""

    units: int | None
    expires_at: datetime | None


def read_override_words(text: str) -> OverrideWords | None:
    """Read what the trail says of an override; None where that is no limit."""
    match = _WORDS.fullmatch(text)
    if match is None:
        return None
    try:
        end = datetime.fromisoformat(match["end"]) if match["end"] else None
    except ValueError:
        return None
    return OverrideWords(
        None if match["units"] == "unlimited" else int(match["units"]), end
    )
