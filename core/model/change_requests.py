"""What is asked for, as a request says it: JSON that anybody may have written.

What a request holds is a claim, except for whose list it lies in. Everything is looked
at here before anything is done with it; the sentence of `BadInput` is the answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TypeAlias

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.changes import Adjustment
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.moments import moment_ms
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId

LARGEST_REQUEST = 1_048_576
"""Bytes of a request; a longer one is not read."""
MOST_AT_ONCE = 10_000
"""Tenants in a request for many."""
VERSION = 1

_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")


class Verdict(StrEnum):
    """What a person says of a request that waits."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Give a tenant's resource a limit of its own; `units` None is unlimited."""

    tenant: TenantId
    resource: ResourceName
    units: int | None
    expires_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class ClearLimit:
    """Take a tenant's own limit away."""

    tenant: TenantId
    resource: ResourceName
    reason: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Undo an entry of a tenant's audit trail."""

    tenant: TenantId
    audit_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventWish:
    """Change what becomes of a meter event, by what Redis knows of it alone.

    Attributes:
        change: None of those for which Stripe has to be asked.
    """

    tenant: TenantId
    change: EventChange
    identifier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of somebody's request.

    Attributes:
        digest: Of the request's text: what was seen is what is approved.
    """

    verdict: Verdict
    person: str
    request: str
    digest: str
    reason: str


Change: TypeAlias = (
    Adjustment | SetLimit | ClearLimit | TakeBack | BulkOrder | EventWish
)
Wish: TypeAlias = Change | Decision


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One request.

    Attributes:
        id: Repeating it does nothing twice.
        until: After it nobody wants it any more; None: it stands.
    """

    id: str
    wish: Wish
    until: datetime | None = None


def digest_of(text: str) -> str:
    """Return what stands for a request's text where it is approved."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def request_id_of(operation_id: str) -> str:
    """Return the id of the request that asks for an operation: always the same."""
    if is_request_id(operation_id):
        return operation_id
    return sha256(operation_id.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def operation_of(person: str, request: str) -> str:
    """Return the operation id of a request: nobody else's can have the same."""
    return f"{person}.{request}"


def is_request_id(given: str) -> bool:
    """Tell whether `given` can be a request's id."""
    return _ID.fullmatch(given) is not None


def check_request_id(given: str) -> str:
    """Return `given`, a request's id.

    Raises:
        BadInput: Not 1 to 63 of letters, digits, `_` and `-`.
    """
    if not is_request_id(given):
        raise BadInput(
            f"{visible(given, 80)} is no request's id; it has up to 63 letters, digits,"
            " _ and -"
        )
    return given


# -- writing ---------------------------------------------------------------------------


def write_request(request: ChangeRequest) -> str:
    """Return a request as it is appended to a person's list."""
    form: dict[str, object] = {"v": VERSION, "id": request.id}
    form.update(_form(request.wish))
    if request.until is not None:
        form["until_ms"] = moment_ms(request.until)
    return json.dumps(form, separators=(",", ":"))


def meaning_of(request: ChangeRequest) -> str:
    """Return what stands for what is asked for: the same however long it is wanted."""
    return digest_of(write_request(replace(request, until=None)))


def operation_word(wish: Wish) -> str:
    """Return what a request is called in the contract: `adjust`, `undo` …"""
    return str(_form(wish)["op"])


def _form(wish: Wish) -> dict[str, object]:
    match wish:
        case Adjustment():
            return {
                "op": "adjust",
                "tenant": wish.tenant,
                "resource": wish.resource,
                "kind": wish.kind.value,
                "amount": wish.amount,
                "expected": wish.expected,
                "bill": wish.bill.value,
                "reason": wish.reason,
            }
        case SetLimit():
            return {
                "op": "set_override",
                "tenant": wish.tenant,
                "resource": wish.resource,
                "units": wish.units,
                "expires_ms": _ms(wish.expires_at),
                "reason": wish.reason,
            }
        case ClearLimit(tenant, resource, reason):
            return {
                "op": "clear_override",
                "tenant": tenant,
                "resource": resource,
                "reason": reason,
            }
        case _:
            return _rarer_form(wish)


def _rarer_form(wish: TakeBack | BulkOrder | EventWish | Decision) -> dict[str, object]:
    match wish:
        case TakeBack(tenant, audit_id, reason):
            return {
                "op": "undo",
                "tenant": tenant,
                "audit_id": audit_id,
                "reason": reason,
            }
        case BulkOrder():
            return {
                "op": "bulk",
                "resource": wish.resource,
                "limits": [list(each) for each in wish.limits],
                "remove": wish.remove,
                "expires_ms": _ms(wish.expires_at),
                "reason": wish.reason,
            }
        case EventWish(tenant, change, identifier, reason):
            return {
                "op": "event",
                "tenant": tenant,
                "change": change.value,
                "identifier": identifier,
                "reason": reason,
            }
        case Decision():
            return {
                "op": wish.verdict.value,
                "person": wish.person,
                "request": wish.request,
                "digest": wish.digest,
                "reason": wish.reason,
            }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else moment_ms(moment)
