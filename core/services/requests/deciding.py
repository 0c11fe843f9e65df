"""What a person says of somebody's request: approve, reject, or take one's own back."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.adapters.request_calls import Head, Known, RequestCalls, Step
from meterdeck.core.errors import Refused
from meterdeck.core.model.change_requests import Decision, Verdict
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.request_rules import Rank
from meterdeck.core.model.text import visible
from meterdeck.core.services.requests.replies import of_record

_ENDS = {
    # What was approved may have come to nothing all the same.
    Verdict.APPROVE: (RequestState.DONE, RequestState.REFUSED, RequestState.UNKNOWN),
    Verdict.REJECT: (RequestState.REJECTED,),
    Verdict.WITHDRAW: (RequestState.WITHDRAWN,),
}
"""What a request ends as by a decision; another end is another's."""


class Deciding:
    """Holds decisions against the rules; who decides is whose list they lie in."""

    def __init__(self, calls: RequestCalls, context: Context) -> None:
        self._calls = calls
        self._rules = context.requests

    async def decide(
        self, head: Head, decision_id: str, decision: Decision
    ) -> Step | Pending:
        """Return the step that ends the request, or what is to be carried out.

        One that its maker repeats is answered again, by what came of it.

        Raises:
            Refused: This person may not decide that, or there is nothing to decide.
            Unreachable: Redis does not answer.
        """
        known = await self._calls.known(decision.person, decision.request)
        record, who, verdict = known.pending, head.person, decision.verdict
        if record is None:
            if known.last is not None and _is_end_of(known.last, who, decision):
                again = known.last.about(decision_id)
                return Step(who, "", head, takes=True, answer=again)
            raise _gone(decision, known)
        if record.state is not RequestState.WAITING:
            if record.by == who and verdict is Verdict.APPROVE:
                return record  # a worker broke off after it was approved
            raise Refused(f"{_named(record)} is approved, and being carried out")
        self._check(who, record, decision)
        if record.until <= head.now:
            raise Refused(f"{_named(record)} was not approved in time")
        if verdict is Verdict.APPROVE:
            approved = replace(
                record, state=RequestState.APPLYING, began=head.now, by=who
            )
            step = Step(record.person, record.id, head, before=record, after=approved)
            if await self._calls.settle(step):
                return approved
            raise Refused(f"{_named(record)} was decided at this moment by another")
        return self._ended(head, decision_id, record, decision)

    def _check(self, who: str, record: Pending, decision: Decision) -> None:
        name = _named(record)
        if decision.digest != record.digest:
            raise Refused(f"{name} is not the request that was looked at")
        if decision.verdict is Verdict.WITHDRAW:
            if record.person != who:
                raise Refused(f"{name} is not yours to withdraw; reject it")
            return
        if record.person == who:
            raise Refused(
                f"{name} is your own: somebody else has to approve it;"
                " you may withdraw it"
            )
        if self._rules.rank(who) is not Rank.LEAD:
            raise Refused(
                f"{who} may ask and not decide: requests.people does not say lead"
            )

    def _ended(
        self, head: Head, decision_id: str, record: Pending, decision: Decision
    ) -> Step:
        who = head.person
        said = f": {visible(decision.reason, 300)}" if decision.reason.strip() else ""
        if decision.verdict is Verdict.WITHDRAW:
            state, words = RequestState.WITHDRAWN, f"withdrawn by {who}{said}"
        else:
            state, words = RequestState.REJECTED, f"rejected by {who}{said}"
        answer = of_record(
            record, state, f"{words}; nothing was changed", head.now, by=who
        )
        return Step(
            record.person,
            record.id,
            head,
            takes=True,
            before=record,
            answer=answer,
            told=answer.about(decision_id),
            decider=who,
        )


def _is_end_of(last: RequestAnswer, who: str, decision: Decision) -> bool:
    """Tell whether a request has ended so by the same decision of the same person."""
    same = (last.by, last.digest) == (who, decision.digest)
    return same and last.state in _ENDS[decision.verdict]


def _gone(decision: Decision, known: Known) -> Refused:
    name = f"{visible(decision.person, 64)}:{decision.request}"
    if known.last is not None:
        return Refused(f"{name} does not wait any more: {known.last.says}")
    return Refused(f"no request {name} waits")


def _named(record: Pending) -> str:
    return f"request {record.name}"
