"""Reads `/v2/core/events`: lists of thin events, whose data is fetched one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_clock import rfc3339
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Json
from meterdeck.core.errors import BadInput
from meterdeck.core.model.late_errors import ErrorReport, LateError, LateErrorKind

_PATH = "/v2/core/events"


async def error_reports(
    requests: StripeRequests, after: datetime, types: Sequence[str]
) -> AsyncIterator[ErrorReport]:
    """Yield the reports of these types that were created at `after` or later."""
    params: Json = {"created": {"gte": rfc3339(after)}, "types": list(types)}
    async for raw in requests.listed_v2(_PATH, params):
        # Every report is looked at: a next page may come without the filters.
        if raw.get("type") in types and _since(raw, after):
            yield report(await _whole(requests, raw))


async def error_report(requests: StripeRequests, event_id: str) -> ErrorReport:
    """Return one report, with its data."""
    if not event_id:
        raise BadInput(f"an empty id names nothing in Stripe's {_PATH}")
    return report(await requests.read(f"{_PATH}/{quote(event_id, safe='')}"))


def report(raw: Mapping[str, Any]) -> ErrorReport:
    """Read a report; what is missing in it is empty."""
    data = read.inner(raw, "data")
    reason = read.inner(data, "reason")
    return ErrorReport(
        id=read.object_id(raw),
        type=read.text(raw, "type"),
        created=_moment(raw, "created"),
        meter_id=read.text(read.inner(raw, "related_object"), "id"),
        start=_moment(data, "validation_start"),
        end=_moment(data, "validation_end"),
        count=_count(reason),
        kinds=tuple(map(_kind, read.entries(reason, "error_types"))),
    )


async def _whole(requests: StripeRequests, raw: Json) -> Json:
    if isinstance(raw.get("data"), Mapping):
        return raw
    return await requests.read(f"{_PATH}/{quote(read.object_id(raw), safe='')}")


def _kind(raw: Mapping[str, Any]) -> LateErrorKind:
    samples = tuple(
        LateError(
            read.text(read.inner(each, "request"), "identifier"),
            read.text(each, "error_message"),
        )
        for each in read.entries(raw, "sample_errors")
    )
    return LateErrorKind(read.text(raw, "code"), _count(raw), samples)


def _count(raw: Mapping[str, Any]) -> int:
    value = raw.get("error_count")
    return value if type(value) is int else 0


def _since(raw: Mapping[str, Any], after: datetime) -> bool:
    created = _moment(raw, "created")
    return created is None or created >= after.replace(
        microsecond=after.microsecond // 1000 * 1000
    )


def _moment(raw: Mapping[str, Any], key: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(read.text(raw, key))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None
