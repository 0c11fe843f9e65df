"""An expression as it was understood, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, assert_never

_PLAIN_VALUE = re.compile(r'[^\s|,"()\\]+')


class Op(StrEnum):
    """What stands between a field and its value."""

    HAS = ":"
    IS = "="
    NOT = "!="
    MORE = ">"
    LEAST = ">="
    LESS = "<"
    MOST = "<="

    @property
    def orders(self) -> bool:
        """Whether it asks for more or less, and so for one value."""
        return self in (Op.MORE, Op.LEAST, Op.LESS, Op.MOST)


@dataclass(frozen=True, slots=True)
class Word:
    """A text to look for in every field.

    Attributes:
        quoted: It stands there literally; else its letters in order are enough where
            nothing contains it.
        at: Where it begins in the expression, from 1.
    """

    text: str
    quoted: bool = False
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return _quote(self.text) if self.quoted else self.text


@dataclass(frozen=True, slots=True)
class Clause:
    """A field, by its name, compared with any of `values`."""

    name: str
    op: Op
    values: tuple[str, ...]
    at: int = field(default=0, compare=False)

    @property
    def value(self) -> str:
        """What is compared with, as one text: of numbers a comma is a part."""
        return ",".join(self.values)

    def __str__(self) -> str:
        if self.op.orders:
            return f"{self.name}{self.op.value}{_value(self.value)}"
        return f"{self.name}{self.op.value}{','.join(map(_value, self.values))}"


@dataclass(frozen=True, slots=True)
class Not:
    """What `inner` does not take."""

    inner: Node

    def __str__(self) -> str:
        wrapped = isinstance(self.inner, AllOf | AnyOf)
        return f"!({self.inner})" if wrapped else f"!{self.inner}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """What every part takes; without parts, everything."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(
            f"({part})" if isinstance(part, AllOf | AnyOf) else str(part)
            for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What at least one part takes."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " | ".join(
            f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts
        )


Node: TypeAlias = Word | Clause | Not | AllOf | AnyOf
EVERYTHING = AllOf(())


@dataclass(frozen=True, slots=True)
class Filter:
    """A whole expression; `str` writes it so that it is read as the same again."""

    root: Node = EVERYTHING

    @property
    def empty(self) -> bool:
        """Whether it takes everything."""
        return self.root == EVERYTHING

    def __str__(self) -> str:
        return str(self.root)


def wanted_words(node: Node) -> Iterator[Word]:
    """Yield the bare words that are looked for, not those that are ruled out."""
    match node:
        case Word():
            if not node.quoted:
                yield node
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from wanted_words(part)
        case Clause() | Not():
            return
        case _ as never:
            assert_never(never)


def _value(text: str) -> str:
    # `x < =` has a value that would be read as a part of the sign.
    plain = _PLAIN_VALUE.fullmatch(text) and text[0] not in "=<>:"
    return text if plain else _quote(text)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
