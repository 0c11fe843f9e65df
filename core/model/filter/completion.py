"""What a filter that is being typed may become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from meterdeck.core.model.filter.tenant_terms import LimitKind, State
from meterdeck.core.model.filter.tenants import NEVER, NO_PLAN, PARTS, Vocabulary
from meterdeck.core.model.filter.tree import Op
from meterdeck.core.model.usage import TenantStatus

VIEW = "@"
"""Begins the name of a saved view, in place of a filter."""
_SHARES = ("70%", "80%", "90%", "100%")
_SPANS = ("30m", "1h", "2h", "12h", "1d")
_DAYS = ("1d", "3d", "1w")
_LAST = re.compile(r"[^\s(|!]*$")
_PARTS = re.compile(r"([^\s:=<>!]+)(!=|>=|<=|[:=<>])(.*)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class FieldHint:
    """A field with the operator that it is mostly used with, and likely values."""

    name: str
    op: Op = Op.HAS
    values: tuple[str, ...] = ()

    @property
    def start(self) -> str:
        """How a clause of it begins."""
        return f"{self.name}{self.op.value}"


@dataclass(frozen=True, slots=True)
class Hints:
    """What a filter can be made of on a screen: its fields, and saved views."""

    fields: Sequence[FieldHint] = ()
    views: Sequence[str] = ()

    def complete(self, text: str) -> list[str]:
        """Return what `text` may become as a whole, the likeliest first."""
        head, offers = self._offers(text)
        return [f"{head}{offer}" for offer in offers]

    def offers(self, text: str) -> list[str]:
        """Return what the last part of `text` may become."""
        return self._offers(text)[1]

    def _offers(self, text: str) -> tuple[str, list[str]]:
        if text.startswith(VIEW):
            wanted = text[len(VIEW) :].lower()
            return VIEW, [v for v in self.views if v.lower().startswith(wanted)]
        if '"' in _QUOTED.sub("", text):
            return text, []
        found = _LAST.search(text)
        last = found[0] if found else ""
        head, clause = text[: len(text) - len(last)], _PARTS.fullmatch(last)
        if clause is None:
            starts = (field.start for field in self.fields)
            return head, _beginning(last, starts)
        name, op, value = clause.groups()
        values, comma, begun = value.rpartition(",")
        head = f"{head}{name}{op}{values}{comma}"
        known = self._values(name.lower(), Op(op), values.split(","))
        return head, _beginning(begun, known)

    def _values(self, name: str, op: Op, taken: Sequence[str]) -> Iterator[str]:
        for field in self.fields:
            if field.name.lower() == name and field.op.orders is op.orders:
                yield from (value for value in field.values if value not in taken)


def tenant_hints(vocabulary: Vocabulary, views: Sequence[str] = ()) -> Hints:
    """Return what a filter of tenants can be made of."""
    plans = tuple(plan for plan in vocabulary.plans or () if plan.isprintable())
    kinds, names = tuple(LimitKind), [str(r.name) for r in vocabulary.resources]
    fields = [
        FieldHint("plan", Op.HAS, (*map(_quoted, plans), NO_PLAN)),
        FieldHint("status", Op.HAS, tuple(TenantStatus)),
        FieldHint("is", Op.HAS, tuple(State)),
        FieldHint("worst", Op.MORE, _SHARES),
        FieldHint("eta", Op.LESS, _SPANS),
        FieldHint("limit", Op.HAS, kinds),
        *(FieldHint(name, Op.MORE, _SHARES) for name in names),
        FieldHint("resets", Op.LESS, _DAYS),
        FieldHint("eta", Op.HAS, (NEVER,)),
        FieldHint("worst", Op.HAS, tuple(names)),
        *map(FieldHint, ("name", "id", "customer", "subscription")),
    ]
    fields += [
        _part_hint(f"{name}.{part}", part, kinds) for name in names for part in PARTS
    ]
    return Hints(fields, views)


def _part_hint(name: str, part: str, kinds: tuple[str, ...]) -> FieldHint:
    if part == "limit":
        return FieldHint(name, Op.HAS, kinds)
    if part == "eta":
        return FieldHint(name, Op.LESS, _SPANS)
    return FieldHint(name, Op.LESS if part == "left" else Op.MORE)


def record_hints(fields: Iterable[str]) -> Hints:
    """Return what a filter of records with these fields can be made of."""
    return Hints([FieldHint(name) for name in fields])


def _beginning(begun: str, offers: Iterable[str]) -> list[str]:
    wanted = begun.lower()
    return [offer for offer in offers if offer.lower().startswith(wanted)]


def _quoted(name: str) -> str:
    return name if re.fullmatch(r'[^\s|,"()\\]+', name) else f'"{name}"'
