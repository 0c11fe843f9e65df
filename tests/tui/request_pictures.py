"""Requests for the console's tests: some that wait, some that were answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.tui.pictures import NOW

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.change_requests import (
    Change,
    ChangeRequest,
    SetLimit,
    Verdict,
    write_request,
)
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.requests.desk import Requests


def waiting(person: str, name: str, wish: Change) -> Pending:
    """Return a request that somebody has to approve."""
    asked, text = NOW - timedelta(minutes=5), write_request(ChangeRequest(name, wish))
    until = asked + timedelta(hours=24)
    return Pending(person, name, text, RequestState.WAITING, asked, until)


def resetting(tenant: str) -> Adjustment:
    """Return a reset of a tenant's calls."""
    return Adjustment(
        TenantId(tenant), ResourceName("api_calls"), AdjustKind.RESET, 0, None,
        Bill.QUOTA_ONLY, "counted twice\x1b[2J",
    )  # fmt: skip


LAUNCH = SetLimit(
    TenantId("lumen-oak"), ResourceName("storage_gb"), None, None, "launch week"
)
DONE = RequestAnswer(
    "d-1", "ana", "d-1", RequestState.DONE, "done: 120 → 20", NOW - timedelta(hours=1),
    op="adjust", tenant="acme-robotics", resource="api_calls", reason="a test run",
    before="120", after="20", by="ben",
)  # fmt: skip


@dataclass
class ScriptedRequests:
    """Shows what it was told of, and takes decisions.

    Attributes:
        answers: What the person was answered since the console looks.
        decided: What was said of which request.
        error: Raised by the next decision, once.
    """

    pending: tuple[Pending, ...] = ()
    answered: tuple[RequestAnswer, ...] = ()
    answers: list[RequestAnswer] = field(default_factory=list)
    decided: list[tuple[str, Verdict, str]] = field(default_factory=list)
    error: MeterdeckError | None = None
    is_served: bool = True

    async def served(self) -> bool:
        return self.is_served

    async def look(self) -> Requests:
        return Requests("ana", (), self.pending, self.answered)

    async def last_place(self) -> str:
        return "0"

    async def answers_after(self, place: str) -> list[tuple[str, RequestAnswer]]:
        seen = int(place)
        found = self.answers[seen:]
        return [(str(seen + n), each) for n, each in enumerate(found, 1)]

    async def to_decide(self) -> frozenset[str]:
        return frozenset(each.name for each in self.pending if each.person != "ana")

    async def decide(
        self, record: Pending, verdict: Verdict, reason: str, decision: str
    ) -> RequestAnswer:
        self.decided.append((record.name, verdict, reason))
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.pending = tuple(each for each in self.pending if each != record)
        ends = {
            Verdict.APPROVE: (RequestState.DONE, "done: 95,000 → 0"),
            Verdict.REJECT: (RequestState.REJECTED, "rejected by ana"),
            Verdict.WITHDRAW: (RequestState.WITHDRAWN, "withdrawn by ana"),
        }
        state, says = ends[verdict]
        return replace(DONE, id=decision, state=state, says=says)


def have_requests(requests: ScriptedRequests) -> None:
    """Let somebody else's request wait and one of ana's own; one was answered."""
    reset = waiting("cora", "4f3c2a", resetting("northwind-traders"))
    why = "it changes more than 50 % of what there is to use"
    launch = waiting("ana", "77aa01", LAUNCH)
    requests.pending = (
        replace(reset, before="95,000", after="0", why=why),
        replace(launch, before="500", after="unlimited", why="it is to unlimited"),
    )
    requests.answered = (DONE,)
