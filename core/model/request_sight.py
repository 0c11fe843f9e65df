"""Requests in words: what was asked for, of whom, and what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    Change,
    ChangeRequest,
    ClearLimit,
    Decision,
    EventWish,
    SetLimit,
    TakeBack,
    Wish,
)
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.request_reading import read_request
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted

_KINDS = {
    AdjustKind.ADD: "add to",
    AdjustKind.SUBTRACT: "take from",
    AdjustKind.SET: "set",
    AdjustKind.RESET: "reset",
}
_EVENTS = {
    EventChange.REPLAY: "replay",
    EventChange.COMPENSATE: "compensate",
    EventChange.COUNTED: "take for counted",
    EventChange.NOT_COUNTED: "take for not counted",
}
_OPS = {
    "adjust": "change of a counter",
    "set_override": "override",
    "clear_override": "end of an override",
    "undo": "undo",
    "bulk": "many overrides",
    "event": "change of an event",
    "approve": "approval",
    "reject": "rejection",
    "withdraw": "withdrawal",
}


def op_words(op: str) -> str:
    """Return what a request was for, by the contract's word."""
    return _OPS.get(op, "request")


def wish_of(record: Pending) -> Change | None:
    """Return what a request that waits asks for; None where it cannot be read."""
    try:
        wish = read_request(record.text.encode("utf-8", "surrogateescape")).wish
    except BadInput:
        return None
    return None if isinstance(wish, Decision) else wish


def wish_words(wish: Wish) -> str:
    """Return what is asked for, in a line for a person."""
    match wish:
        case Adjustment():
            bill = ", on the bill" if wish.bill is Bill.QUOTA_AND_BILL else ""
            return f"{_KINDS[wish.kind]} {_place(wish.tenant, wish.resource)}{bill}"
        case SetLimit():
            return f"limit of {_place(wish.tenant, wish.resource)}"
        case ClearLimit():
            return f"no override of {_place(wish.tenant, wish.resource)}"
        case TakeBack():
            return f"undo {wish.audit_id} of {visible(wish.tenant, 60)}"
        case _:
            return _rarer_words(wish)


def _rarer_words(wish: BulkOrder | EventWish | Decision) -> str:
    match wish:
        case BulkOrder():
            what = counted(len(wish.limits), "override")
            gone = " removed" if wish.remove else ""
            return f"{what} of {visible(wish.resource, 40)}{gone}"
        case EventWish():
            what = f"event {visible(wish.identifier, 60)}"
            return f"{_EVENTS[wish.change]} {what} of {visible(wish.tenant, 60)}"
        case Decision():
            return f"{wish.verdict} {wish.person}:{wish.request}"


def _place(tenant: str, resource: str) -> str:
    return f"{visible(resource, 40)} of {visible(tenant, 60)}"


def change_words(before: str, after: str) -> str:
    """Return before → after, or what there is of it."""
    return f"{before} → {after}" if before else after


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as a list shows it: one that waits, or one that was answered.

    Attributes:
        name: `alice:4f3c`.
        what: What is asked for.
        change: Before → after, as far as that was told.
        says: What it waits for, or what came of it.
        at: When it was asked for, or answered; None where nobody can tell.
        record: What is kept of it while it waits.
    """

    name: str
    person: str
    state: RequestState
    what: str
    change: str
    says: str
    reason: str = ""
    tenant: str = ""
    at: datetime | None = None
    until: datetime | None = None
    by: str = ""
    record: Pending | None = None

    def takes(self, words: str) -> bool:
        """Tell whether every word stands somewhere in it."""
        parts = (self.name, self.state, self.what, self.tenant, self.reason, self.by)
        text = " ".join(parts).casefold()
        return all(each in text for each in words.casefold().split())


def sight_of(
    person: str,
    unread: Sequence[ChangeRequest],
    pending: Sequence[Pending],
    answered: Sequence[RequestAnswer],
) -> tuple[SeenRequest, ...]:
    """Return what there is to see: first what waits, then what was answered."""
    return (
        *map(_seen_pending, pending),
        *(_seen_unread(person, each) for each in unread),
        *map(_seen_answer, answered),
    )


def _seen_pending(record: Pending) -> SeenRequest:
    wish = wish_of(record)
    says = record.why
    if record.state is RequestState.APPLYING:
        says = f"approved by {record.by}" if record.by else "a worker is at it"
    return SeenRequest(
        name=record.name,
        person=record.person,
        state=record.state,
        what=wish_words(wish) if wish is not None else "something unreadable",
        change=change_words(record.before, record.after),
        says=says,
        reason=wish.reason if wish is not None else "",
        tenant=getattr(wish, "tenant", ""),
        at=record.asked_at,
        until=record.until,
        by=record.by,
        record=record,
    )


def _seen_unread(person: str, request: ChangeRequest) -> SeenRequest:
    return SeenRequest(
        name=f"{person}:{request.id}",
        person=person,
        state=RequestState.ASKED,
        what=wish_words(request.wish),
        change="",
        says="no worker has read it yet",
        reason=request.wish.reason,
        tenant=getattr(request.wish, "tenant", ""),
        until=request.until,
    )


def _seen_answer(answer: RequestAnswer) -> SeenRequest:
    what = op_words(answer.op)
    if answer.resource and answer.tenant:
        what = f"{what}: {_place(answer.tenant, answer.resource)}"
    return SeenRequest(
        name=f"{answer.person}:{answer.request}",
        person=answer.person,
        state=answer.state,
        what=what,
        change=change_words(answer.before, answer.after),
        says=answer.says,
        reason=answer.reason,
        tenant=answer.tenant,
        at=answer.at,
        by=answer.by,
    )
