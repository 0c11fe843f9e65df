"""The comments of a TOML file, by the key they stand at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meterdeck.core.errors import ConfigError

if TYPE_CHECKING:
    from meterdeck.core.model.seen_prices import Comments, Path

# What a list is made of, as far as it matters where its comments stand.
_TOKENS = re.compile(
    r'"""(?:\\.|.)*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
    r"|\#[^\n]*|[\[\]{},\n]|[^\s\[\]{},\#\"']+",
    re.DOTALL,
)
# A setting that is commented out says what could be, not what is.
_SETTING = re.compile(r"#\s?[\w.-]+ = ")


def comments_of(text: str, where: str) -> Comments:
    """Return the comments at and above each key, lines joined by blanks.

    A table's own are those above its header. Of a list's element the key is its
    position, as a text. A blank line ends what is above a key.

    Raises:
        ConfigError: `text` is not TOML; `where` names it.
    """
    # Only two commands need it, and it costs 40 ms.
    import tomlkit  # noqa: PLC0415
    from tomlkit.exceptions import ParseError  # noqa: PLC0415

    try:
        document = tomlkit.parse(text)
    except ParseError:
        # Not chained: a parser's complaint may quote a secret.
        raise ConfigError(where, "is not valid TOML") from None
    reader = _Reader()
    reader.read((), document.body)
    return {path: " ".join(lines) for path, lines in reader.found.items()}


class _Reader:
    """Walks a document in the order it is written."""

    def __init__(self) -> None:
        self.found: dict[Path, list[str]] = {}
        self._above: list[str] = []

    def read(self, path: Path, body: list[tuple[Any, Any]]) -> None:
        """Read a table's own lines, and its tables."""
        from tomlkit import items  # noqa: PLC0415 - see above

        for key, item in body:
            if key is None:
                self._between(item)
                continue
            place = (*path, key.key)
            if isinstance(item, items.AoT):
                for index, table in enumerate(item.body):
                    self._table((*place, str(index)), table)
            elif isinstance(item, items.Table):
                self._table(place, item)
            else:
                self._value(place, item)

    def _between(self, item: Any) -> None:
        from tomlkit import items  # noqa: PLC0415 - see above

        if isinstance(item, items.Comment):
            line = item.as_string().strip()
            if not _SETTING.match(line):
                self._above.append(line)
        elif isinstance(item, items.Whitespace):
            self._above.clear()

    def _table(self, place: Path, table: Any) -> None:
        # A header of a table within is written for both: `[prices.api]`.
        if not table.is_super_table():
            self._take(place, table.trivia.comment)
        self.read(place, table.value.body)

    def _value(self, place: Path, item: Any) -> None:
        from tomlkit import items  # noqa: PLC0415 - see above

        self._take(place, item.trivia.comment)
        if isinstance(item, items.Array):
            for index, line in _in_list(item.as_string()):
                self.found.setdefault((*place, str(index)), []).append(line)

    def _take(self, place: Path, beside: str) -> None:
        lines = [*self._above, *([beside] if beside else [])]
        self._above.clear()
        if lines:
            self.found.setdefault(place, []).extend(lines)


def _in_list(text: str) -> Iterator[tuple[int, str]]:
    """Yield each comment in a list with the position of the element it is about.

    One on a line of its own is about the next element, others about the one before.
    """
    depth, index, on_line, filled = 0, 0, False, False
    for piece in _TOKENS.findall(text):
        if piece.startswith("#"):
            yield index if filled or not on_line else index - 1, piece
        elif piece == "\n":
            on_line = False
        elif piece == "," and depth == 1:
            index, filled = index + 1, False
        else:
            depth += (piece in "[{") - (piece in "]}")
            if depth > 1 or piece not in "[]{}":
                on_line = filled = True
