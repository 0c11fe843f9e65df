"""Reading requests: what lies in a person's list may be anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    MOST_AT_ONCE,
    VERSION,
    ChangeRequest,
    ClearLimit,
    Decision,
    EventWish,
    SetLimit,
    TakeBack,
    Verdict,
    Wish,
    check_request_id,
    is_request_id,
)
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.event_changes import CANCELS, EventChange
from meterdeck.core.model.moments import LATEST_MS, moment_at
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId

_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_Choice = TypeVar("_Choice", bound=StrEnum)


def read_request(text: bytes) -> ChangeRequest:
    """Read what lies in a person's list.

    Raises:
        BadInput: It is no request; the sentence says what is wrong.
    """
    fields = _Fields(_object(text))
    version = fields.number("v")
    if version != VERSION:
        raise BadInput(f"the request has version {version}; this worker reads 1")
    name = check_request_id(fields.text("id"))
    word = fields.text("op")
    read = _READERS.get(word)
    if read is None:
        known = ", ".join(_READERS)
        raise BadInput(f"the request asks for {visible(word, 40)}; there is: {known}")
    wish = read(fields)
    request = ChangeRequest(name, wish, fields.moment("until_ms"))
    fields.refuse_others()
    return request


def id_in(text: bytes) -> str:
    """Return the id that what is no request has all the same; "" for none."""
    try:
        given = _object(text).get("id")
    except BadInput:
        return ""
    return given if isinstance(given, str) and is_request_id(given) else ""


def _object(text: bytes) -> dict[str, object]:
    try:
        found = json.loads(
            text, parse_constant=_no_number, object_pairs_hook=_no_doubles
        )
    except (ValueError, RecursionError) as error:
        # A lone surrogate, a number of a million digits, a thousand brackets …
        raise BadInput("the request is not JSON of version 1") from error
    if not isinstance(found, dict):
        raise BadInput("the request is JSON, but no object")
    return found


def _no_number(word: str) -> object:
    raise ValueError(word)


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


class _Fields:
    """A request's fields, each taken once."""

    def __init__(self, fields: dict[str, object]) -> None:
        self._fields = fields

    def _take(self, name: str) -> object:
        return self._fields.pop(name, None)

    def text(self, name: str, *, empty: bool = False) -> str:
        """Take a text that has to be there."""
        found = self._take(name)
        if not isinstance(found, str) or not (found or empty):
            raise BadInput(f"the request needs {name}, a text")
        return _storable(name, found)

    def number(self, name: str) -> int:
        """Take a whole number that has to be there."""
        found = self.number_or_none(name)
        if found is None:
            raise BadInput(f"the request needs {name}, a whole number")
        return found

    def number_or_none(self, name: str) -> int | None:
        """Take a whole number, or what stands for none."""
        found = self._take(name)
        if found is not None and type(found) is not int:
            raise BadInput(f"the request's {name} is no whole number")
        return found

    def moment(self, name: str) -> datetime | None:
        """Take milliseconds since 1970, or what stands for never."""
        found = self.number_or_none(name)
        if found is None:
            return None
        if not 0 <= found <= LATEST_MS:
            raise BadInput(f"the request's {name} is no moment, in ms since 1970")
        return moment_at(found)

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        """Take one of several words."""
        found = self.text(name)
        try:
            return kind(found)
        except ValueError:
            known = ", ".join(each.value for each in kind)
            said = f"the request's {name} is {visible(found, 40)}; there is: {known}"
            raise BadInput(said) from None

    def flag(self, name: str) -> bool:
        """Take true or false; false where it is not there."""
        found = self._take(name)
        if found not in (None, True, False):
            raise BadInput(f"the request's {name} is neither true nor false")
        return found is True

    def items(self, name: str) -> list[object]:
        """Take a list that has something in it."""
        found = self._take(name)
        if not isinstance(found, list) or not found:
            raise BadInput(f"the request needs {name}, a list")
        return found

    def refuse_others(self) -> None:
        """Refuse what nobody took: it was meant to do something."""
        if self._fields:
            name = visible(next(iter(self._fields)), 40)
            raise BadInput(f"the request has a field {name}, which means nothing")


def _adjustment(fields: _Fields) -> Adjustment:
    return Adjustment(
        tenant=TenantId(fields.text("tenant")),
        resource=ResourceName(fields.text("resource")),
        kind=fields.choice("kind", AdjustKind),
        amount=fields.number_or_none("amount") or 0,
        expected=fields.number_or_none("expected"),
        bill=fields.choice("bill", Bill),
        reason=fields.text("reason", empty=True),
    )


def _set_limit(fields: _Fields) -> SetLimit:
    return SetLimit(
        tenant=TenantId(fields.text("tenant")),
        resource=ResourceName(fields.text("resource")),
        units=fields.number_or_none("units"),
        expires_at=fields.moment("expires_ms"),
        reason=fields.text("reason", empty=True),
    )


def _clear_limit(fields: _Fields) -> ClearLimit:
    return ClearLimit(
        TenantId(fields.text("tenant")),
        ResourceName(fields.text("resource")),
        fields.text("reason", empty=True),
    )


def _take_back(fields: _Fields) -> TakeBack:
    return TakeBack(
        TenantId(fields.text("tenant")),
        fields.text("audit_id"),
        fields.text("reason", empty=True),
    )


def _bulk(fields: _Fields) -> BulkOrder:
    items = fields.items("limits")
    if len(items) > MOST_AT_ONCE:
        raise BadInput(f"the request has {len(items):,} limits; at most 10,000 are one")
    limits = tuple(map(_limit, items))
    if len({tenant for tenant, _ in limits}) < len(limits):
        raise BadInput("the request's limits name a tenant twice")
    return BulkOrder(
        resource=ResourceName(fields.text("resource")),
        limits=limits,
        expires_at=fields.moment("expires_ms"),
        reason=fields.text("reason", empty=True),
        remove=fields.flag("remove"),
    )


def _event(fields: _Fields) -> EventWish:
    change = fields.choice("change", EventChange)
    if change in CANCELS:
        raise BadInput(
            f"{change} is not made by request: Stripe has to be asked for it; there is:"
            " replay, compensate, counted, not_counted"
        )
    return EventWish(
        TenantId(fields.text("tenant")),
        change,
        fields.text("identifier"),
        fields.text("reason", empty=True),
    )


def _limit(item: object) -> tuple[TenantId, int | None]:
    if isinstance(item, list) and len(item) == 2:
        tenant, units = item
        if isinstance(tenant, str) and (units is None or type(units) is int):
            return TenantId(_storable("limits", tenant)), units
    raise BadInput("the request's limits are pairs of a tenant and a number or null")


def _storable(name: str, text: str) -> str:
    try:
        name_bytes(text)
    except BadInput as error:
        raise BadInput(f"the request's {name} cannot be stored") from error
    return text


def _person(name: str) -> str:
    if _PERSON.fullmatch(name) is None:
        raise BadInput(f"the request's person is {visible(name, 40)}, which is nobody")
    return name


def _decision(verdict: Verdict) -> Callable[[_Fields], Decision]:
    def read(fields: _Fields) -> Decision:
        return Decision(
            verdict,
            _person(fields.text("person")),
            check_request_id(fields.text("request")),
            fields.text("digest"),
            fields.text("reason", empty=True),
        )

    return read


_READERS: Mapping[str, Callable[[_Fields], Wish]] = {
    "adjust": _adjustment,
    "set_override": _set_limit,
    "clear_override": _clear_limit,
    "undo": _take_back,
    "bulk": _bulk,
    "event": _event,
    **{each.value: _decision(each) for each in Verdict},
}
