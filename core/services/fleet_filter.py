"""A filter over the fleet: a clause is a comparison of whole columns.

Every step takes rows in ascending order and keeps some; cheap ones come first, so that
dear ones see few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Protocol, TypeAlias, assert_never

from meterdeck.core.model.context import Context
from meterdeck.core.model.filter.spans import Span
from meterdeck.core.model.filter.tenant_terms import (
    EtaTerm,
    LimitTerm,
    MeasureTerm,
    PlanTerm,
    ResetTerm,
    StateTerm,
    StatusTerm,
    Term,
    TextTerm,
    WorstResourceTerm,
    WorstTerm,
)
from meterdeck.core.model.filter.tenants import Vocabulary, terms_of
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
from meterdeck.core.model.filter.words import is_loose, plain
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.fleet_eta import EtaFleet, rows_by_eta
from meterdeck.core.services.fleet_measures import (
    rows_by_limit,
    rows_by_measure,
    rows_by_state,
    rows_within,
)
from meterdeck.core.services.fleet_rows import NEVER
from meterdeck.core.services.fleet_search import SearchText

Rows: TypeAlias = Sequence[int]
_SOON, _LATER, _LAST = 0, 1, 2


class FilteredFleet(EtaFleet, Protocol):
    """What of a fleet a filter looks at."""

    tenants: list[Tenant]

    def reset_times(self) -> Sequence[int]:
        """Return when a counter of each row next starts anew, in Unix seconds."""
        ...


class FleetFilter:
    """Finds the rows of a fleet that an expression takes."""

    def __init__(
        self, fleet: FilteredFleet, context: Context, search: SearchText
    ) -> None:
        self._fleet = fleet
        self._context = context
        self._search = search

    def find(self, expression: Filter) -> list[int]:
        """Return the rows that an expression takes, in ascending order.

        Raises:
            BadInput: A clause has no meaning for this fleet.
        """
        every = range(len(self._fleet.tenants))
        return list(self._keep(expression.root, every, loose=True))

    def vocabulary(self, *, plans: bool) -> Vocabulary:
        """Return what the fleet has names for, if wanted its plans as well."""
        resources = tuple(column.resource for column in self._fleet.columns)
        if not plans:
            return Vocabulary(resources)
        held = {str(tenant.plan) for tenant in self._fleet.tenants}
        known = dict.fromkeys([*map(str, self._context.plans), *sorted(held)])
        return Vocabulary(resources, tuple(plan for plan in known if plan))

    def _keep(self, node: Node, rows: Rows, *, loose: bool) -> Rows:
        match node:
            case Word():
                return self._word(node, rows, loose=loose)
            case Clause():
                return self._clause(node, rows)
            case Not(inner):
                return self._without(rows, self._keep(inner, rows, loose=False))
            case AllOf(parts):
                for part in sorted(parts, key=_dearness):
                    rows = self._keep(part, rows, loose=loose)
                return rows
            case AnyOf(parts):
                found = [self._keep(part, rows, loose=loose) for part in parts]
                return self._within(rows, *found)
            case _ as never:
                assert_never(never)

    # -- sets of rows ------------------------------------------------------------------

    def _is_whole(self, rows: Rows) -> bool:
        return len(rows) == len(self._fleet.tenants)

    def _within(self, rows: Rows, *found: Rows) -> list[int]:
        """Return which of `rows` are in any of the others."""
        marks = bytearray(len(self._fleet.tenants))
        for some in found:
            for row in some:
                marks[row] = 1
        return self._marked(rows, marks)

    def _without(self, rows: Rows, gone: Rows) -> list[int]:
        marks = bytearray(b"\1") * len(self._fleet.tenants)
        for row in gone:
            marks[row] = 0
        return self._marked(rows, marks)

    def _marked(self, rows: Rows, marks: bytearray) -> list[int]:
        if self._is_whole(rows):
            return list(compress(rows, marks))
        return [row for row in rows if marks[row]]

    # -- words -------------------------------------------------------------------------

    def _word(self, word: Word, rows: Rows, *, loose: bool) -> Rows:
        text = plain(word.text)
        found = self._search.find(text)
        if not found and loose and not word.quoted and is_loose(text):
            found = self._search.find_letters(text)
        return found if self._is_whole(rows) else self._within(rows, found)

    # -- clauses -----------------------------------------------------------------------

    def _clause(self, clause: Clause, rows: Rows) -> Rows:
        terms = terms_of(clause, self.vocabulary(plans=False))
        found = [self._term(term, rows) for term in terms]
        kept = found[0] if len(found) == 1 else self._within(rows, *found)
        return self._without(rows, kept) if clause.op is Op.NOT else kept

    def _term(self, term: Term, rows: Rows) -> Rows:
        fleet = self._fleet
        kept: Rows
        match term:
            case TextTerm():
                kept = self._text(term, rows)
            case PlanTerm():
                kept = self._plan(term, rows)
            case StatusTerm(wanted):
                tenants = fleet.tenants
                kept = [row for row in rows if tenants[row].status in wanted]
            case MeasureTerm():
                kept = rows_by_measure(fleet, term, rows)
            case WorstTerm(span):
                limited = Span(max(span.low, 0), span.high)
                kept = rows_within(fleet.severity.worst, limited, rows)
            case WorstResourceTerm(resource):
                index, worst = fleet.column_of(resource), fleet.severity.column
                kept = [row for row in rows if worst[row] == index]
            case LimitTerm():
                kept = rows_by_limit(fleet, term, rows)
            case EtaTerm():
                kept = rows_by_eta(fleet, term, rows)
            case ResetTerm(span):
                kept = self._resets(span, rows)
            case StateTerm(state):
                kept = rows_by_state(fleet, state, rows)
            case _ as never:
                assert_never(never)
        return kept

    def _text(self, term: TextTerm, rows: Rows) -> Rows:
        found = [
            self._search.find_in(term.field, value, whole=term.whole)
            for value in term.values
        ]
        if len(found) == 1 and self._is_whole(rows):
            return found[0]
        return self._within(rows, *found)

    def _plan(self, term: PlanTerm, rows: Rows) -> list[int]:
        tenants = self._fleet.tenants
        held: set[str] = {tenant.plan for tenant in tenants}
        wanted = term.among(held.union(self._context.plans))
        return [row for row in rows if tenants[row].plan in wanted]

    def _resets(self, span: Span, rows: Rows) -> list[int]:
        at = self._fleet.at
        if at is None:
            return []
        times, now = self._fleet.reset_times(), int(at.timestamp())
        first, last = now + max(span.low, 0), min(now + span.high, NEVER - 1)
        return [row for row in rows if first <= times[row] <= last]


def _dearness(node: Node) -> int:
    """Return how late a part of an `and` is best looked at."""
    match node:
        case Clause():
            return _LAST if node.name.lower().rpartition(".")[2] == "eta" else _SOON
        case Word():
            return _LATER
        case Not(inner):
            return _dearness(inner)
        case AllOf(parts) | AnyOf(parts):
            return max(map(_dearness, parts), default=_SOON)
        case _ as never:
            assert_never(never)
