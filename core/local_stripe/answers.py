"""HTTP answers with the headers the real ones have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response

from meterdeck.core.local_stripe.idempotency import StoredAnswer
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.wire import API_VERSION, Json, body_of

_ALWAYS = {
    "server": "nginx",
    "content-type": "application/json",
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": (
        "Request-Id, Stripe-Manage-Version, Stripe-Should-Retry,"
        " X-Stripe-External-Auth-Required, X-Stripe-Privileged-Session-Required"
    ),
    "access-control-max-age": "300",
    "cache-control": "no-cache, no-store",
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request its answer's headers repeat."""

    method: str
    is_v2: bool
    request_id: str
    version: str
    key: str | None

    def headers(self, *, ran: bool) -> dict[str, str]:
        """Give the headers; `ran` is whether the request passed validation."""
        headers = {
            **_ALWAYS,
            "request-id": self.request_id,
            "stripe-version": self.version,
            "vary": "Origin",
        }
        if self.method == "POST":
            if self.key is not None:
                headers["idempotency-key"] = self.key
                headers["original-request"] = self.request_id
            if ran:
                headers["stripe-should-retry"] = "false"
        return headers


def asked_by(request: Request, request_id: str) -> Asked:
    """Read what an answer will repeat of a request."""
    return Asked(
        method=request.method,
        is_v2=request.url.path.startswith("/v2/"),
        request_id=request_id,
        version=request.headers.get("stripe-version", API_VERSION),
        key=request.headers.get("idempotency-key"),
    )


def response_of(answer: Answer, now: datetime) -> Response:
    """Give an answer as it is sent, at the account's time."""
    date = format_datetime(now.astimezone(UTC), usegmt=True)
    return Response(answer.body, answer.status, {**answer.headers, "date": date})


def answer_of(asked: Asked, value: Json) -> Answer:
    """Give the answer of an operation that went well."""
    return Answer(200, body_of(value), asked.headers(ran=True))


def refused(asked: Asked, refusal: LocalStripeRefusal, account: str) -> Answer:
    """Give the answer of a refusal; a 401 names no request."""
    if asked.is_v2:
        body = body_of(refusal.v2_envelope())
    else:
        body = body_of(refusal.envelope(account, asked.request_id))
    if refusal.status == 401:
        challenge = {"www-authenticate": 'Bearer realm="Stripe"'}
        return Answer(401, body, {**_ALWAYS, **challenge})
    headers = {**asked.headers(ran=refusal.ran), **refusal.headers}
    return Answer(refusal.status, body, headers)


def stored(asked: Asked, answer: Answer) -> StoredAnswer:
    """Give what is kept of an answer for repeats of its request."""
    return StoredAnswer(asked.request_id, answer.status, answer.body, answer.headers)


def replayed(asked: Asked, kept: StoredAnswer) -> Answer:
    """Give a kept answer again, under a new request id."""
    marks = {
        "request-id": asked.request_id,
        "original-request": kept.request_id,
        "idempotent-replayed": "true",
    }
    answer = Answer(kept.status, kept.body, kept.headers)
    return replace(answer, headers={**kept.headers, **marks})
