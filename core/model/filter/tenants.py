"""Which fields tenants have, and what their clauses mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, assert_never

from meterdeck.core.model.filter.complaints import (
    unknown_field,
    unknown_value,
    wrong_value,
)
from meterdeck.core.model.filter.spans import share_span, time_span, units_span
from meterdeck.core.model.filter.tenant_terms import (
    EtaTerm,
    LimitKind,
    LimitTerm,
    Measure,
    MeasureTerm,
    PlanTerm,
    ResetTerm,
    State,
    StateTerm,
    StatusTerm,
    Term,
    TextField,
    TextTerm,
    WorstResourceTerm,
    WorstTerm,
    chosen_names,
)
from meterdeck.core.model.filter.tree import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
)
from meterdeck.core.model.filter.words import plain
from meterdeck.core.model.usage import Resource, TenantStatus

_Kind = TypeVar("_Kind", bound=StrEnum)
NEVER = "never"
NO_PLAN = "none"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a fleet has names for.

    Attributes:
        plans: Their names; None: any name may be one.
    """

    resources: tuple[Resource, ...] = ()
    plans: Collection[str] | None = None

    @property
    def fields(self) -> list[str]:
        """Names of all fields, those that always are first."""
        return [*_FIELDS, *(str(resource.name) for resource in self.resources)]


def check_filter(expression: Filter, vocabulary: Vocabulary) -> None:
    """Look at every clause of an expression.

    Raises:
        BadInput: One has no meaning for tenants.
    """
    for clause in _clauses(expression.root):
        terms_of(clause, vocabulary)


def asks_for_rates(expression: Filter) -> bool:
    """Whether it matters how fast counters move."""
    return any(_asks_for_rates(clause) for clause in _clauses(expression.root))


def _asks_for_rates(clause: Clause) -> bool:
    name = clause.name.lower()
    return name.rpartition(".")[2] == "eta" or (
        name in ("is", "at") and State.MOVING in map(str.lower, clause.values)
    )


def _clauses(node: Node) -> Iterator[Clause]:
    match node:
        case Clause():
            yield node
        case Not(inner):
            yield from _clauses(inner)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _clauses(part)
        case Word():
            return
        case _ as never:
            assert_never(never)


def terms_of(clause: Clause, vocabulary: Vocabulary) -> tuple[Term, ...]:
    """Return what a clause means; any of the terms is enough.

    The operator `!=` means what `=` does: it is for the caller to turn that round.

    Raises:
        BadInput: There is no such field, or it has no such value.
    """
    name = clause.name.lower()
    read = _FIELDS.get(name) or _ALIASES.get(name)
    if read is not None:
        return read(clause, vocabulary)
    for resource in vocabulary.resources:
        own, _, part = _split(name, str(resource.name).lower())
        if own and part in _PARTS:
            return _PARTS[part](clause, resource)
    raise unknown_field(clause, vocabulary.fields)


def _split(name: str, resource: str) -> tuple[bool, str, str]:
    """Tell whether a field is of a resource, and which part of it."""
    if name == resource:
        return True, "", ""
    return name.startswith(f"{resource}."), ".", name[len(resource) + 1 :]


# -- fields that every fleet has ------------------------------------------------------


def _text(field: TextField) -> Callable[[Clause, Vocabulary], tuple[Term, ...]]:
    def read(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
        _no_order(clause, f"write {field}:text, or {field}=text for the whole of it")
        values = tuple(map(plain, clause.values))
        return (TextTerm(field, values, whole=clause.op is not Op.HAS),)

    return read


def _plan(clause: Clause, vocabulary: Vocabulary) -> tuple[Term, ...]:
    _no_order(clause, "write plan:pro")
    values = tuple("" if plain(v) == NO_PLAN else plain(v) for v in clause.values)
    term = PlanTerm(values, whole=clause.op is not Op.HAS)
    if vocabulary.plans is not None:
        known = [plan for plan in vocabulary.plans if plan]
        for value in values:
            if value and not PlanTerm((value,), term.whole).among(known):
                raise unknown_value(clause, value, [*known, NO_PLAN])
    return (term,)


def _status(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
    _no_order(clause, "write status:past_due")
    whole = clause.op is not Op.HAS
    for value in clause.values:
        if not value or not chosen_names((plain(value),), TenantStatus, whole=whole):
            raise unknown_value(clause, value, TenantStatus)
    values = tuple(map(plain, clause.values))
    return (StatusTerm(chosen_names(values, TenantStatus, whole=whole)),)


def _limit(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
    return _limit_kinds(clause, "", "name the resource: api_calls.limit>1000")


def _limit_kinds(clause: Clause, resource: str, right: str) -> tuple[Term, ...]:
    _no_order(clause, right)
    return tuple(LimitTerm(kind, resource) for kind in _named(clause, LimitKind))


def _eta(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
    return _eta_of(clause, "")


def _eta_of(clause: Clause, resource: str) -> tuple[Term, ...]:
    if not clause.op.orders and clause.value == NEVER:
        return (EtaTerm(None, resource),)
    return (EtaTerm(time_span(clause), resource),)


def _resets(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
    return (ResetTerm(time_span(clause)),)


def _state(clause: Clause, _: Vocabulary) -> tuple[Term, ...]:
    _no_order(clause, f"write {clause.name}:limit")
    return tuple(map(StateTerm, _named(clause, State)))


def _worst(clause: Clause, vocabulary: Vocabulary) -> tuple[Term, ...]:
    names = {str(r.name).lower(): str(r.name) for r in vocabulary.resources}
    named = [names.get(value.lower(), "") for value in clause.values]
    if all(named) and not clause.op.orders:
        return tuple(map(WorstResourceTerm, named))
    return (WorstTerm(share_span(clause)),)


_FIELDS: dict[str, Callable[[Clause, Vocabulary], tuple[Term, ...]]] = {
    **{field.value: _text(field) for field in TextField},
    "plan": _plan,
    "status": _status,
    "is": _state,
    "worst": _worst,
    "limit": _limit,
    "eta": _eta,
    "resets": _resets,
}
_ALIASES = {
    "tenant": _FIELDS["id"],
    "sub": _FIELDS["subscription"],
    "at": _state,
    "used": _worst,
    "percent": _worst,
}


# -- fields of a resource -------------------------------------------------------------


def _used_part(clause: Clause, resource: Resource) -> tuple[Term, ...]:
    name = str(resource.name)
    if clause.value.endswith("%"):
        return (MeasureTerm(name, Measure.SHARE, share_span(clause)),)
    return (MeasureTerm(name, Measure.USED, units_span(clause, resource.scale)),)


def _left_part(clause: Clause, resource: Resource) -> tuple[Term, ...]:
    span = units_span(clause, resource.scale)
    return (MeasureTerm(str(resource.name), Measure.LEFT, span),)


def _limit_part(clause: Clause, resource: Resource) -> tuple[Term, ...]:
    name = str(resource.name)
    if clause.value[:1].isdigit():
        span = units_span(clause, resource.scale)
        return (MeasureTerm(name, Measure.LIMIT, span),)
    return _limit_kinds(clause, name, f"write {name}.limit>1000")


def _eta_part(clause: Clause, resource: Resource) -> tuple[Term, ...]:
    return _eta_of(clause, str(resource.name))


_PARTS: dict[str, Callable[[Clause, Resource], tuple[Term, ...]]] = {
    "": _used_part,
    "used": _used_part,
    "left": _left_part,
    "limit": _limit_part,
    "eta": _eta_part,
}
PARTS = tuple(part for part in _PARTS if part)


# -- values ---------------------------------------------------------------------------


def _no_order(clause: Clause, right: str) -> None:
    if clause.op.orders:
        raise wrong_value(clause, "this has no order", right)


def _named(clause: Clause, kind: type[_Kind]) -> tuple[_Kind, ...]:
    for value in clause.values:
        if value.lower() not in list(kind):
            raise unknown_value(clause, value, kind)
    return tuple(kind(value.lower()) for value in clause.values)
