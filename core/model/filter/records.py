"""A filter over records of any kind, each field a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Generic, TypeVar, assert_never

from meterdeck.core.model.filter.complaints import unknown_field, wrong_value
from meterdeck.core.model.filter.grammar import parse_filter
from meterdeck.core.model.filter.tree import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
    wanted_words,
)
from meterdeck.core.model.filter.words import (
    FIELD,
    is_loose,
    letters_in_order,
    plain,
)
from meterdeck.core.model.quantity import ungrouped

T = TypeVar("T")
Fields = Mapping[str, Callable[[T], str]]
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?+(?![,_]?[0-9])")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}")
_NOTHING_LOOSE: frozenset[str] = frozenset()


def record_filter(text: str, fields: Fields[T]) -> RecordFilter[T]:
    """Return what tells whether a record is wanted.

    `field:value` looks for a part, `field=value` for the whole field, in any case;
    `<` and `>` compare numbers, or moments written like 2026-12-01.

    Args:
        fields: What each field holds, by its name in lower case. Words are looked for
            in all of them.

    Raises:
        BadInput: The expression cannot be read, or names a field there is not.
    """
    return RecordFilter(parse_filter(text), fields)


class RecordFilter(Generic[T]):
    """An expression bound to the fields of a kind of record."""

    def __init__(self, expression: Filter, fields: Fields[T]) -> None:
        self.expression = expression
        self._fields = fields
        _check(expression.root, fields)

    def __call__(self, record: T) -> bool:
        """Tell whether a record is wanted; words stand in it literally."""
        return self._takes(self.expression.root, record, _NOTHING_LOOSE)

    def rows(self, records: Sequence[T]) -> list[int]:
        """Return the places of wanted records.

        Of a word that no record contains, the letters in order are enough.
        """
        loose = self._loose(records)
        root = self.expression.root
        return [
            row
            for row, record in enumerate(records)
            if self._takes(root, record, loose)
        ]

    def _loose(self, records: Sequence[T]) -> frozenset[str]:
        words = {plain(word.text) for word in wanted_words(self.expression.root)}
        left = set(filter(is_loose, words))
        for record in records:
            if not left:
                break
            text = self._text(record)
            left = {word for word in left if word not in text}
        return frozenset(left)

    def _text(self, record: T) -> str:
        return FIELD.join(plain(get(record)) for get in self._fields.values())

    def _takes(self, node: Node, record: T, loose: frozenset[str]) -> bool:
        match node:
            case Word():
                word, text = plain(node.text), self._text(record)
                if word in loose and not node.quoted:
                    return letters_in_order(word).search(text) is not None
                return word in text
            case Clause():
                return _compares(node, self._fields[node.name.lower()](record))
            case Not(inner):
                return not self._takes(inner, record, _NOTHING_LOOSE)
            case AllOf(parts):
                return all(self._takes(part, record, loose) for part in parts)
            case AnyOf(parts):
                return any(self._takes(part, record, loose) for part in parts)
            case _ as never:
                assert_never(never)


def _check(node: Node, fields: Mapping[str, object]) -> None:
    match node:
        case Clause():
            if node.name.lower() not in fields:
                raise unknown_field(node, fields)
            if node.op.orders and _comparable(node.value) is None:
                right = "write a number such as 1500, or a day such as 2026-12-01"
                raise wrong_value(node, "neither a number nor a day", right)
        case Not(inner):
            _check(inner, fields)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                _check(part, fields)
        case Word():
            return
        case _ as never:
            assert_never(never)


def _compares(clause: Clause, text: str) -> bool:
    held = plain(text)
    match clause.op:
        case Op.HAS:
            return any(plain(value) in held for value in clause.values)
        case Op.IS:
            return any(plain(value) == held for value in clause.values)
        case Op.NOT:
            return all(plain(value) != held for value in clause.values)
    return _ordered(clause.op, _comparable(text), _comparable(clause.value))


def _ordered(op: Op, held: Decimal | str | None, wanted: Decimal | str | None) -> bool:
    if isinstance(held, Decimal) and isinstance(wanted, Decimal):
        return _holds(op, (held > wanted) - (held < wanted))
    if isinstance(held, str) and isinstance(wanted, str):
        held = held[: len(wanted)]
        return _holds(op, (held > wanted) - (held < wanted))
    return False


def _holds(op: Op, sign: int) -> bool:
    return {
        Op.MORE: sign > 0,
        Op.LEAST: sign >= 0,
        Op.LESS: sign < 0,
        Op.MOST: sign <= 0,
    }[op]


def _comparable(text: str) -> Decimal | str | None:
    """Return the number a text begins with, or the moment; None for neither."""
    text = text.strip()
    if _MOMENT.match(text):
        return text
    number = _NUMBER.match(ungrouped(text))
    return Decimal(number[0]) if number else None
