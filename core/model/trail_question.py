"""What is typed over the audit trail: what Redis is asked, and what is filtered here.

`since:2d`, `tenant=acme`, `who=ana` and `action=override` narrow what is read, however
far back; all else filters what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.filter import (
    AllOf,
    Clause,
    Filter,
    Op,
    RecordFilter,
    parse_filter,
)

FIELDS: dict[str, Callable[[AuditEntry], str]] = {
    "tenant": lambda entry: entry.tenant,
    "who": lambda entry: entry.actor,
    "action": lambda entry: "undo " + entry.action if entry.undoes else entry.action,
    "resource": lambda entry: entry.resource,
    "why": lambda entry: entry.reason,
    "origin": lambda entry: entry.origin,
    "before": lambda entry: entry.before,
    "after": lambda entry: entry.after,
    "bill": lambda entry: entry.bill,
    "period": lambda entry: entry.period,
    "id": lambda entry: entry.id,
    "at": lambda entry: f"{entry.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
}
"""What the filter can name."""


@dataclass(frozen=True, slots=True)
class TrailQuestion:
    """A question to the trail, in its two parts.

    Attributes:
        query: What is read.
        takes: What of it is shown; None: all.
    """

    query: AuditQuery
    takes: Callable[[AuditEntry], bool] | None = None


def parse_question(
    text: str,
    since: Callable[[str], datetime],
    limit: int,
    names: Mapping[str, Callable[[AuditEntry], str]] | None = None,
) -> TrailQuestion:
    """Read what was typed.

    Args:
        since: Reads a moment in the past; raises BadInput.
        limit: Entries of a page.
        names: What fields are shown as, like a tenant's name: it is found, too.

    Raises:
        BadInput: What, where, and what would be right.
    """
    root = parse_filter(text).root
    nodes = root.parts if isinstance(root, AllOf) else (root,)
    asked = [each for each in nodes if isinstance(each, Clause) and _is_asked(each)]
    query = AuditQuery(limit=limit)
    for clause in asked:
        value = clause.value
        match clause.name:
            case "since":
                query = replace(query, since=since(value))
            case "tenant":
                query = replace(query, tenant=value)
            case "who":
                query = replace(query, actor=value)
            case _:
                query = replace(query, action=value)
    left = Filter(AllOf(tuple(each for each in nodes if each not in asked)))
    fields = {**FIELDS, **(names or {})}
    return TrailQuestion(query, None if left.empty else RecordFilter(left, fields))


def _is_asked(clause: Clause) -> bool:
    if clause.name == "since":
        return clause.op in (Op.HAS, Op.IS)
    one = clause.op is Op.IS and len(clause.values) == 1
    return one and clause.name in ("tenant", "who", "action")
