"""What is kept of a request that waits, and what a person is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from meterdeck.core.errors import (
    BadInput,
    Conflict,
    MeterdeckError,
    NotFound,
    Refused,
)
from meterdeck.core.model.change_requests import VERSION, digest_of
from meterdeck.core.model.moments import moment_at, moment_ms


class RequestState(StrEnum):
    """What has become of a request."""

    ASKED = "asked"
    """In a list; no worker has read it. Never written anywhere."""
    WAITING = "waiting"
    """Another person has to approve it."""
    APPLYING = "applying"
    """A worker is at it."""
    DONE = "done"
    REFUSED = "refused"
    """Understood, and not done; or no request at all."""
    REJECTED = "rejected"
    """Another person said no."""
    WITHDRAWN = "withdrawn"
    """Who asked has taken it back."""
    EXPIRED = "expired"
    """Nobody approved, or no worker read it, in time."""
    UNKNOWN = "unknown"
    """A worker broke off long ago: it may have been done."""

    @property
    def final(self) -> bool:
        """Whether nothing more comes of it."""
        return self not in (
            RequestState.ASKED,
            RequestState.WAITING,
            RequestState.APPLYING,
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that a worker has read and not answered for good.

    Attributes:
        text: The request as it was asked for.
        why: Why it has to be approved; "" where nobody has to.
        before: What it would change, for a person; empty where that was not told.
        after: As `before`.
        until: When it is over unless somebody approves.
        began: When a worker began to carry it out; None before that.
        by: Who approved.
    """

    person: str
    id: str
    text: str
    state: RequestState
    asked_at: datetime
    until: datetime
    why: str = ""
    before: str = ""
    after: str = ""
    began: datetime | None = None
    by: str = ""

    @property
    def name(self) -> str:
        """Its name among everybody's: `alice:4f3c`."""
        return f"{self.person}:{self.id}"

    @property
    def digest(self) -> str:
        """What is approved: exactly this text."""
        return digest_of(self.text)

    def write(self) -> str:
        """Return it as it is kept; the same for the same."""
        form = {
            "v": VERSION,
            "person": self.person,
            "id": self.id,
            "request": self.text,
            "state": self.state.value,
            "asked_ms": moment_ms(self.asked_at),
            "until_ms": moment_ms(self.until),
            "why": self.why,
            "before": self.before,
            "after": self.after,
            "began_ms": None if self.began is None else moment_ms(self.began),
            "by": self.by,
        }
        return json.dumps(form, separators=(",", ":"))


def read_pending(text: bytes) -> Pending | None:
    """Read what `Pending.write` wrote; None for anything else."""
    try:
        found = json.loads(text)
        began = found["began_ms"]
        return Pending(
            person=_text(found["person"]),
            id=_text(found["id"]),
            text=_text(found["request"]),
            state=RequestState(found["state"]),
            asked_at=moment_at(found["asked_ms"]),
            until=moment_at(found["until_ms"]),
            why=_text(found["why"]),
            before=_text(found["before"]),
            after=_text(found["after"]),
            began=None if began is None else moment_at(began),
            by=_text(found["by"]),
        )
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None


_OPTIONAL = (
    "meaning", "op", "tenant", "resource", "reason", "before", "after", "by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What a person is told of one of their requests.

    Attributes:
        person: Whose request it is about; `request` is that one's id.
        says: One sentence.
        digest: Of the request's text.
        meaning: What stands for what was asked for; empty in answers of before.
        op: What was asked for, in the contract's word; empty where nobody could tell.
        result: What the change did: words and numbers, by the contract's names.
    """

    id: str
    person: str
    request: str
    state: RequestState
    says: str
    at: datetime
    digest: str = ""
    meaning: str = ""
    op: str = ""
    tenant: str = ""
    resource: str = ""
    reason: str = ""
    before: str = ""
    after: str = ""
    by: str = ""
    result: dict[str, object] = field(default_factory=dict, hash=False)

    def write(self) -> str:
        """Return it as it stands in a stream of answers."""
        form: dict[str, object] = {
            "v": VERSION,
            "id": self.id,
            "person": self.person,
            "request": self.request,
            "state": self.state.value,
            "says": self.says,
            "at_ms": moment_ms(self.at),
            "digest": self.digest,
        }
        for name in _OPTIONAL:
            if value := getattr(self, name):
                form[name] = value
        if self.result:
            form["result"] = self.result
        return json.dumps(form, separators=(",", ":"))

    def about(self, decision: str) -> RequestAnswer:
        """Return the same, for whoever has decided."""
        return replace(self, id=decision)


def read_answer(text: bytes) -> RequestAnswer | None:
    """Read what `RequestAnswer.write` wrote; None for anything else."""
    try:
        found = json.loads(text)
        result = found.get("result", {})
        if not isinstance(result, dict):
            return None
        return RequestAnswer(
            id=_text(found["id"]),
            person=_text(found["person"]),
            request=_text(found["request"]),
            state=RequestState(found["state"]),
            says=_text(found["says"]),
            at=moment_at(found["at_ms"]),
            digest=_text(found["digest"]),
            **{name: _text(found.get(name, "")) for name in _OPTIONAL},
            result=result,
        )
    except (AttributeError, KeyError, OverflowError, RecursionError):
        return None
    except (TypeError, ValueError):
        return None


def refusal_form(error: MeterdeckError) -> dict[str, object]:
    """Return what of an error goes into an answer's result."""
    form: dict[str, object] = {"error": type(error).__name__}
    if isinstance(error, Conflict):
        form |= {"expected": error.expected, "actual": error.actual}
    return form


def refusal_of(answer: RequestAnswer) -> MeterdeckError:
    """Return the error that an answer stands for, as who asked would have got it."""
    kind, result = answer.result.get("error"), answer.result
    expected, actual = result.get("expected"), result.get("actual")
    if kind == "Conflict" and isinstance(expected, int) and isinstance(actual, int):
        conflict = Conflict("", expected, actual)
        conflict.args = (answer.says,)
        return conflict
    known: dict[object, type[MeterdeckError]] = {
        "NotFound": NotFound,
        "BadInput": BadInput,
    }
    return known.get(kind, Refused)(answer.says)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
