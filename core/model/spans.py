"""Spans of time as a configuration writes them: `90s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import re

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

_SPAN = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 366 * 86_400


def parse_span(text: str) -> int:
    """Return the seconds that `text` names.

    Raises:
        BadInput: Not a span, none at all, or longer than a year.
    """
    match = _SPAN.fullmatch(text.strip())
    seconds = int(match["count"]) * _SECONDS[match["unit"]] if match else 0
    if not 0 < seconds <= _LONGEST_S:
        raise BadInput(
            f"{visible(text)!r} is not a span; write it like 90s, 5m, 2h, 1d"
        )
    return seconds


def show_span(seconds: int) -> str:
    """Write seconds in the largest units that fit: `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86_400:
        hours, rest = divmod(seconds // 60, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(seconds // 3600, 24)
    return f"{days} d {rest} h" if rest else f"{days} d"
