"""Answers in place of the application's: problem details as in RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from meterdeck.core.middleware.asgi import Headers, Send
from meterdeck.core.middleware.charging import Settled
from meterdeck.core.middleware.fields import (
    policy_name,
    rate_limit_fields,
    seconds_left,
)
from meterdeck.core.model.decisions import ResourceDecision
from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import group_quantity

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""The draft's problem type; `violated-policies` are names in RateLimit-Policy."""


_NO_QUOTA = "There is no quota left for this request."


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `instance` is its problem's own name, as in the log."""

    status: int
    headers: Headers
    body: bytes
    instance: str

    async def give(self, send: Send, *, method: str) -> None:
        """Send it; to HEAD without the body."""
        headers = [*self.headers, (b"content-length", b"%d" % len(self.body))]
        start = {"status": self.status, "headers": headers}
        await send({"type": "http.response.start", **start})
        body = b"" if method == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def quota_exceeded(settled: Settled, now: datetime) -> Answer:
    """Return the 429 for a refused call, about the resource that is back last.

    It names resource, limit, use and reset; nothing of the tenant, nor of others.
    """
    refused = [each for each in settled.decision.resources if each.refused]
    if not refused:  # the counter refused without saying what for
        return _problem(429, "Quota exceeded", _NO_QUOTA, kind=QUOTA_EXCEEDED)
    worst = max(refused, key=lambda each: (each.period.endless, each.period.end))
    return _problem(
        429,
        "Quota exceeded",
        _sentence(settled.cost, worst),
        kind=QUOTA_EXCEEDED,
        headers=(
            *_retry_after(worst.period, now),
            *rate_limit_fields(settled.decision, now),
        ),
        members={
            "violated-policies": [policy_name(each.resource) for each in refused],
            "resource": worst.resource,
            "cost": settled.cost,
            "limit": worst.limit.units or 0,
            "used": worst.current,
            **_reset(worst.period),
        },
    )


def _sentence(cost: int, worst: ResourceDecision) -> str:
    left, limit = worst.remaining or 0, worst.limit.units or 0
    until = "" if worst.period.endless else f" until {_moment(worst.period.end)}"
    return (
        f"This request needs {group_quantity(cost)} of {worst.resource};"
        f" {group_quantity(left)} of {group_quantity(limit)} are left{until}."
    )


def _retry_after(period: Period, now: datetime) -> Headers:
    # Nobody knows when a level falls: then the field is left out.
    if period.endless:
        return ()
    return ((b"retry-after", b"%d" % seconds_left(period, now)),)


def _reset(period: Period) -> Mapping[str, str]:
    return {} if period.endless else {"resets_at": _moment(period.end)}


def cannot_count(retry_after_s: int) -> Answer:
    """Return the 503 for a request that may not pass uncounted."""
    return _problem(
        503,
        "Service Unavailable",
        "Usage cannot be checked at the moment; the request was not carried out.",
        headers=((b"retry-after", b"%d" % retry_after_s),),
    )


def no_tenant(challenge: str) -> Answer:
    """Return the 401 for a request of nobody; `challenge` says how to log in."""
    return _problem(
        401,
        "Unauthorized",
        "The request does not say whose usage it is.",
        headers=((b"www-authenticate", challenge.encode("latin-1")),),
    )


def _problem(
    status: int,
    title: str,
    detail: str,
    *,
    kind: str = "about:blank",
    headers: Headers = (),
    members: Mapping[str, str | int | list[str]] | None = None,
) -> Answer:
    instance = f"urn:uuid:{uuid4()}"
    own = {"type": kind, "title": title, "status": status, "detail": detail}
    body = json.dumps({**own, "instance": instance, **(members or {})})
    kept: Headers = (
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
    )
    return Answer(status, kept + headers, body.encode("ascii"), instance)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
