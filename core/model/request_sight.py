"""Requests in words: what was asked for, of whom, and what it changes."""

from __future__ import annotations

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    Change,
    ClearLimit,
    Decision,
    SetLimit,
    TakeBack,
    Wish,
)
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.request_answers import Pending
from meterdeck.core.model.request_reading import read_request
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted

_KINDS = {
    AdjustKind.ADD: "add to",
    AdjustKind.SUBTRACT: "take from",
    AdjustKind.SET: "set",
    AdjustKind.RESET: "reset",
}
_OPS = {
    "adjust": "change of a counter",
    "set_override": "override",
    "clear_override": "end of an override",
    "undo": "undo",
    "bulk": "many overrides",
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
        case BulkOrder():
            what = counted(len(wish.limits), "override")
            gone = " removed" if wish.remove else ""
            return f"{what} of {visible(wish.resource, 40)}{gone}"
        case Decision():
            return f"{wish.verdict} {wish.person}:{wish.request}"


def _place(tenant: str, resource: str) -> str:
    return f"{visible(resource, 40)} of {visible(tenant, 60)}"


def change_words(before: str, after: str) -> str:
    """Return before → after, or what there is of it."""
    return f"{before} → {after}" if before else after
