"""Stripe's search query language: `email:'a@b.c' AND -metadata['plan']:null`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, invalid

MOST_CLAUSES = 10
_LEAST_SUBSTRING = 3
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_CLAUSE = re.compile(
    rf"(?P<minus>-?)(?P<field>[a-z_][a-z0-9_.]*)(?:\[(?P<key>{_QUOTED})\])?"
    rf"(?P<operator>:|~|>=|<=|>|<)(?P<value>{_QUOTED}|[^\s'\"]+)",
    re.ASCII,
)
_JOINT = re.compile(r"\s+(?:(?P<word>and|or)\s+)?", re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?", re.ASCII)

# What each type of field can be asked by; `:` works for all.
_OPERATORS = {"numeric": {":", "<", ">", "<=", ">="}, "string": {":", "~"}}


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition; `value` None asks whether there is anything at all."""

    field: str
    key: str | None
    operator: str
    value: str | None
    negated: bool
    type: str

    def holds(self, value: object) -> bool:
        """Tell whether a field's value fulfils it."""
        return self._fits(value) != self.negated

    def _fits(self, value: object) -> bool:
        if value is None or self.value is None:
            return (value is None) == (self.value is None)
        if self.type == "numeric":
            return _compared(value, self.operator, float(self.value))
        text, wanted = _text(value).lower(), self.value.lower()
        if self.operator == "~":
            return wanted in text
        if self.type == "string":
            return _has_words(text.split(), wanted.split())
        return text == wanted


@dataclass(frozen=True, slots=True)
class Query:
    """Clauses that must all hold, or of which one must."""

    clauses: tuple[Clause, ...]
    any_of: bool


def parse(text: str, fields: Mapping[str, str], resource: str) -> Query:
    """Read a query.

    Args:
        fields: The type of each field of the resource: numeric, string or token.
        resource: The plural that refusals name it by.

    Raises:
        LocalStripeRefusal: Stripe would not understand it.
    """
    clauses: list[Clause] = []
    words: set[str] = set()
    rest = text.strip()
    while rest:
        found = _CLAUSE.match(rest)
        if found is None:
            raise _unreadable()
        clauses.append(_clause(found, fields, resource))
        rest = rest[found.end() :]
        joint = _JOINT.match(rest)
        if rest and (joint is None or joint.end() == len(rest)):
            raise _unreadable()
        if joint is not None:
            words.add((joint["word"] or "and").lower())
            rest = rest[joint.end() :]
    if not clauses:
        raise _unreadable()
    if len(words) > 1:
        raise invalid("AND and OR cannot be combined in one search query.", "query")
    if len(clauses) > MOST_CLAUSES:
        raise invalid(
            f"A search query can have at most {MOST_CLAUSES} clauses.", "query"
        )
    return Query(tuple(clauses), any_of=words == {"or"})


def _clause(found: re.Match[str], fields: Mapping[str, str], resource: str) -> Clause:
    field, key = found["field"], found["key"]
    kind = fields.get(field)
    if kind is None or (key is not None) != (field == "metadata"):
        page = resource.replace("_", "-")
        raise invalid(
            f"Field `{field}` is an unsupported search field for resource"
            f" `{resource}`. See http://stripe.com/docs/search#query-fields-for-{page}"
            " for a list of supported fields.",
            "query",
        )
    operator, written = found["operator"], found["value"]
    if operator not in _OPERATORS.get(kind, {":"}):
        raise invalid(
            f"Field `{field}` does not support the operator `{operator}`.", "query"
        )
    value = _value(written, kind, field)
    if operator == "~" and len(value or "") < _LEAST_SUBSTRING:
        raise invalid(
            f"A substring must have at least {_LEAST_SUBSTRING} characters.", "query"
        )
    return Clause(
        field, key and _unquoted(key), operator, value, bool(found["minus"]), kind
    )


def _value(written: str, kind: str, field: str) -> str | None:
    quoted = written[0] in "\"'"
    if not quoted and written.lower() == "null":
        return None
    value = _unquoted(written) if quoted else written
    if kind == "numeric" and not _NUMBER.fullmatch(value):
        raise invalid(f"Field `{field}` must be compared with a number.", "query")
    if kind != "numeric" and not quoted:
        raise _unreadable()
    return value


def _unquoted(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _compared(value: object, operator: str, bound: float) -> bool:
    if not isinstance(value, int):
        return False
    return {
        ":": value == bound,
        "<": value < bound,
        ">": value > bound,
        "<=": value <= bound,
        ">=": value >= bound,
    }[operator]


def _has_words(words: list[str], wanted: list[str]) -> bool:
    """Tell whether the wanted words stand in the text, one after the other."""
    starts = range(len(words) - len(wanted) + 1)
    return any(words[start : start + len(wanted)] == wanted for start in starts)


def _unreadable() -> LocalStripeRefusal:
    return invalid(
        "We were unable to parse your search query. Try using the format"
        ' `metadata["key"]:"value"` to query for metadata or key:"value" to query for'
        " other fields.",
        "query",
    )
