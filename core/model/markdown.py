"""Markdown in which text from outside is text: it links nowhere and breaks nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from meterdeck.core.model.text import visible

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#$]")
_LINKS = re.compile(r"(?i)(?<=[a-z])(:)(?=//)|(?<=\bwww)(\.)")
_CODE = re.compile(r"[A-Za-z0-9_.:@/+=-]{1,120}")
_LONGEST = 200


def escaped(text: str, limit: int = _LONGEST) -> str:
    """Return any text so that it is shown as it is, also within a table.

    Addresses in it do not become links: a customer's name is no place to click on.
    """
    shown = _SPECIAL.sub(r"\\\g<0>", visible(text, limit))
    return _LINKS.sub(lambda found: "\\" + found[0], shown)


def code(text: str) -> str:
    """Return an id as code, where nothing in it would end the code; else escaped."""
    return f"`{text}`" if _CODE.fullmatch(text) else escaped(text)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines; cells are Markdown already. `>` before a title: right."""
    names = [title.lstrip(">") for title in titles]
    rules = ["--:" if title.startswith(">") else "---" for title in titles]
    return [_row(names), _row(rules), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
