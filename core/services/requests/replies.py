"""The answers to requests, each with one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.adapters.request_calls import Head
from meterdeck.core.errors import MeterdeckError, Unreachable
from meterdeck.core.model.change_requests import (
    ChangeRequest,
    Decision,
    digest_of,
    meaning_of,
    operation_word,
)
from meterdeck.core.model.names import name_text
from meterdeck.core.model.request_answers import (
    Pending,
    RequestAnswer,
    RequestState,
    refusal_form,
)
from meterdeck.core.model.request_reading import read_request
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import minute
from meterdeck.core.services.requests.applying import Applier
from meterdeck.core.services.requests.outcome import NobodyKnows


def answer_to(head: Head, request: ChangeRequest, state: RequestState) -> RequestAnswer:
    """Return an answer to a request at the head of a list; it says nothing yet."""
    text = name_text(head.text or b"")
    return _described(head.person, request, text, state, head.now)


def refused(head: Head, request: str, error: MeterdeckError) -> RequestAnswer:
    """Return the answer to what cannot be done, or is no request at all."""
    bare = RequestAnswer(
        *(request, head.person, request, RequestState.REFUSED, "", head.now)
    )
    if request:
        asked = read_request(head.text or b"")
        bare = answer_to(head, asked, RequestState.REFUSED)
    return _saying(bare, error)


def waits(record: Pending, now: datetime) -> RequestAnswer:
    """Return the answer to a request that somebody has to approve."""
    said = (
        f"waits for another person's approval until {minute(record.until)} UTC:"
        f" {record.why}"
    )
    return of_record(record, RequestState.WAITING, said, now)


def expired(record: Pending, now: datetime) -> RequestAnswer:
    """Return the answer to a request that nobody approved."""
    said = "nobody approved it in time; nothing was changed"
    return of_record(record, RequestState.EXPIRED, said, now)


def failed(person: str, now: datetime) -> RequestAnswer:
    """Return the answer to a request that a worker's own mistake ended."""
    said = "the worker failed at it; whether it was done, the audit trail tells"
    return RequestAnswer("", person, "", RequestState.UNKNOWN, said, now)


def of_record(
    record: Pending, state: RequestState, says: str, now: datetime, by: str = ""
) -> RequestAnswer:
    """Return an answer to who asked, about what is kept of the request."""
    request = read_request(record.text.encode("utf-8", "surrogateescape"))
    answer = _described(record.person, request, record.text, state, now)
    return replace(answer, says=says, before=record.before, after=record.after, by=by)


async def carried_out(
    applier: Applier, record: Pending, now: datetime
) -> RequestAnswer:
    """Carry a request out, and return the answer to it.

    Raises:
        Unreachable: Done or not: to be called again.
    """
    request = read_request(record.text.encode("utf-8", "surrogateescape"))
    assert not isinstance(request.wish, Decision)
    base = of_record(record, RequestState.DONE, "", now, record.by)
    try:
        outcome = await applier.apply(request.wish, record, now)
    except Unreachable:
        raise
    except NobodyKnows as error:
        return replace(base, state=RequestState.UNKNOWN, says=str(error))
    except MeterdeckError as error:
        return _saying(base, error)
    return replace(
        base,
        says=outcome.says,
        before=outcome.before,
        after=outcome.after,
        result=outcome.result,
    )


def _saying(answer: RequestAnswer, error: MeterdeckError) -> RequestAnswer:
    return replace(
        answer,
        state=RequestState.REFUSED,
        says=visible(str(error), 1_000),
        result=refusal_form(error),
    )


def _described(
    person: str,
    request: ChangeRequest,
    text: str,
    state: RequestState,
    now: datetime,
) -> RequestAnswer:
    wish = request.wish
    return RequestAnswer(
        id=request.id,
        person=person,
        request=request.id,
        state=state,
        says="",
        at=now,
        digest=digest_of(text),
        meaning=meaning_of(request),
        op=operation_word(wish),
        tenant=getattr(wish, "tenant", ""),
        resource=getattr(wish, "resource", ""),
        reason=visible(wish.reason, 500),
    )
