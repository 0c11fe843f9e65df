"""Read a filter.

    either  = all { "|" all }
    all     = one { one }
    one     = "!" one | "(" either ")" | '"…"' | field op value { "," value } | word
    op      = ":" | "=" | "!=" | ">" | ">=" | "<" | "<="

Blanks may stand round an op, but not before a colon.
"""

from __future__ import annotations

import re

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter.tree import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
)
from meterdeck.core.model.text import visible

LONGEST = 1000
DEEPEST = 20
_CLAUSE = re.compile(r'([^\s:=<>!|"()]+)(?:(:)|\s*(!=|>=|<=|=|>|<))\s*')
_OPERATOR = re.compile(r"!=|>=|<=|[:=<>]")
_BLANKS = re.compile(r"\s*")
_WORD = re.compile(r"[^\s|]+")
_INNER_WORD = re.compile(r"[^\s|)]+")
_VALUE = re.compile(r"[^\s|,]+")
_INNER_VALUE = re.compile(r"[^\s|,)]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_filter(text: str) -> Filter:
    """Read an expression; what its fields mean is not looked at.

    Raises:
        BadInput: It cannot be read; the sentence says what, where, and what would be
            right.
    """
    if len(text) > LONGEST:
        raise BadInput(f"a filter has at most {LONGEST:,} characters")
    return Filter(_Reader(text).whole())


class _Reader:
    """Goes through a text once, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._open = 0

    def whole(self) -> Node:
        if not self._text.strip():
            return EVERYTHING
        return self._either()

    def _either(self) -> Node:
        parts = [self._all()]
        while self._takes("|"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Node:
        parts = []
        while self._next() not in ("", "|") and not self._closes():
            parts.append(self._one())
        if not parts:
            raise self._wrong("something to look for is missing", "write a word")
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Node:
        if self._text.startswith("!", self._at):
            return self._negated()
        if self._takes("("):
            return self._group()
        at = self._at + 1
        if self._next() == '"':
            return Word(self._quoted(), quoted=True, at=at)
        clause = _CLAUSE.match(self._text, self._at)
        if clause is not None:
            self._at = clause.end()
            op = Op(clause[2] or clause[3])
            return Clause(clause[1], op, self._values(clause[1], op), at)
        return Word(self._bare(), at=at)

    def _negated(self) -> Node:
        start = self._at
        self._at += 1
        if self._next() in ("", "|") or self._closes():
            self._at = start
            raise self._wrong("nothing stands after the !", "write for example !acme")
        self._deeper()
        inner = self._one()
        self._depth -= 1
        return Not(inner)

    def _group(self) -> Node:
        start = self._at - 1
        self._deeper()
        self._open += 1
        inner = self._either()
        if not self._takes(")"):
            self._at = start
            raise self._wrong("a bracket is open", "close it with )")
        self._open -= 1
        self._depth -= 1
        return inner

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong("too many brackets", f"at most {DEEPEST} are read")

    def _values(self, name: str, op: Op) -> tuple[str, ...]:
        values = [self._value(name, op)]
        while self._text.startswith(",", self._at):
            self._at += 1
            values.append(self._value(name, op))
        return (",".join(values),) if op.orders else tuple(values)

    def _value(self, name: str, op: Op) -> str:
        if self._text.startswith('"', self._at):
            return self._quoted()
        pattern = _INNER_VALUE if self._open else _VALUE
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._wrong(
                f"no value stands after {visible(name, 40)}{op.value}",
                'write one, in quotes where it has blanks; "" is no text at all',
            )
        self._at = found.end()
        return found[0]

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise self._wrong("a quote is open", 'close it with "')
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1])

    def _bare(self) -> str:
        operator = _OPERATOR.match(self._text, self._at)
        if operator is not None:
            raise self._wrong(
                f"no field stands before {operator[0]}",
                f"write one, for example worst{operator[0]}90%"
                if Op(operator[0]).orders
                else f"write one, for example plan{operator[0]}pro",
            )
        pattern = _INNER_WORD if self._open else _WORD
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._wrong("nothing can be read here", "write a word")
        self._at = found.end()
        return found[0]

    def _closes(self) -> bool:
        return bool(self._open) and self._next() == ")"

    def _next(self) -> str:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at
        return self._text[self._at : self._at + 1]

    def _takes(self, sign: str) -> bool:
        if self._next() != sign:
            return False
        self._at += 1
        return True

    def _wrong(self, what: str, right: str) -> BadInput:
        return BadInput(f"filter, character {self._at + 1}: {what}; {right}")
