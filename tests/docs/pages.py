"""The pages of the documentation, and the blocks in them.

How a page says what it needs, and a block how it is run, is in `test_pages.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COMMENT = re.compile(r"<!-- *([a-z][a-z -]*?) *(?:: *(.*?))? *-->")
_BY_ITSELF = ("needs", "ctrl-c")
_FENCE = re.compile(r"( *)(`{3,})([\w+-]*)[ ]*$")


@dataclass(frozen=True, slots=True)
class Mark:
    """A comment that says something to whoever runs the page."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        line: Of its first line of text, from 1.
        marks: The comments that stand right above it.
    """

    path: str
    line: int
    language: str
    text: str
    marks: tuple[Mark, ...]

    @property
    def place(self) -> str:
        """Where it is, as compilers write it."""
        return f"{self.path}:{self.line}"

    def mark(self, name: str) -> str | None:
        """Return what a mark says; None where it does not stand there."""
        return next((each.value for each in self.marks if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file, in its order: blocks, and marks that stand by themselves."""

    path: str
    parts: tuple[Block | Mark, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its blocks."""
        return tuple(each for each in self.parts if isinstance(each, Block))

    @property
    def headings(self) -> list[str]:
        """The headings of its parts."""
        return re.findall(r"^## +(.*?) *$", text_of(self.path), re.M)

    @property
    def needs(self) -> str:
        """The command that has to be running beside it; empty: none."""
        marks = (each for each in self.parts if isinstance(each, Mark))
        return next((each.value for each in marks if each.name == "needs"), "")


def all_pages() -> list[Page]:
    """Return README, CONTRIBUTING and every page of docs/."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    paths += sorted((ROOT / "docs").rglob("*.md"))
    return [read_page(path.relative_to(ROOT).as_posix()) for path in paths]


def text_of(path: str) -> str:
    """Return what a page says."""
    return (ROOT / path).read_text(encoding="utf-8")


def read_page(path: str) -> Page:
    """Read one page."""
    return Page(path, tuple(_parts(path, text_of(path).splitlines())))


def _parts(path: str, lines: list[str]) -> Iterator[Block | Mark]:
    above: list[Mark] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.match(line)
        if not fence:
            found = [Mark(n, v or "") for n, v in _COMMENT.findall(line)]
            yield from (each for each in found if each.name in _BY_ITSELF)
            above = [*above, *found] if found else []
            at += 1
            continue
        end = _end_of(lines, at + 1, fence[1] + fence[2], f"{path}:{at + 1}")
        inside = (each.removeprefix(fence[1]) for each in lines[at + 1 : end])
        text = "".join(f"{each}\n" for each in inside)
        yield Block(path, at + 2, fence[3], text, tuple(above))
        above = []
        at = end + 1


def _end_of(lines: list[str], start: int, fence: str, place: str) -> int:
    for at in range(start, len(lines)):
        if lines[at].rstrip() == fence:
            return at
    raise ValueError(f"{place}: a block without an end")
