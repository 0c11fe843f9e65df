"""The privileged worker: reads requests, holds them against the rules, answers them."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterdeck.core.adapters.redis_client import Redis, enter_write, server_time
from meterdeck.core.adapters.redis_refusals import is_other_type
from meterdeck.core.adapters.request_calls import Head, Known, RequestCalls, Step
from meterdeck.core.errors import (
    BadInput,
    MeterdeckError,
    Refused,
    Unreachable,
)
from meterdeck.core.model.change_requests import (
    LARGEST_REQUEST,
    Change,
    ChangeRequest,
    Decision,
    digest_of,
    meaning_of,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_bytes, name_text
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.request_foresight import SILENT_S
from meterdeck.core.model.request_reading import id_in, read_request
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.applying import Applier
from meterdeck.core.services.requests.deciding import Deciding
from meterdeck.core.services.requests.each_alone import each_alone
from meterdeck.core.services.requests.judging import Judge
from meterdeck.core.services.requests.replies import (
    answer_to,
    carried_out,
    expired,
    failed,
    refused,
    waits,
)
from meterdeck.core.services.requests.worth import Worth
from meterdeck.core.services.sync import journal

MOST_PENDING = 1_000
"""Requests of all people that wait for approval."""
_A_TURN = 16
_STUCK = timedelta(seconds=30)
_SIGN_S = SILENT_S / 4


@dataclass(slots=True)
class Served:
    """What a server has done so far."""

    answered: int = 0
    waiting: int = 0
    dropped: int = 0


class RequestServer:
    """Serves the requests of a context's people, each at most once.

    Any number of them run beside one another: a step is written only where nothing
    has changed since it was begun, and the change itself is known by its operation id.
    One that dies leaves every request where another finds it.

    Args:
        told: Hears one line of each answer.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        worth: Worth | None = None,
        told: Callable[[RequestAnswer], None] = lambda answer: None,
    ) -> None:
        self._redis = redis
        self._context = context
        self._rules = context.requests
        self._people = [person for person, _ in self._rules.people]
        self._calls = RequestCalls(redis, context.redis.layout)
        changes = OperatorChanges(redis, context)
        self._judge = Judge(redis, context, changes, worth)
        self._applier = Applier(redis, context, changes)
        self._deciding = Deciding(self._calls, context)
        self._told = told
        self._sign_at = 0.0
        self.served = Served()

    async def serve(self) -> bool:
        """Deal with some of what was asked for; return whether there was anything.

        Raises:
            ReadOnly, ProgramTooOld: The context, or the database, allows no changes.
            Unreachable: Redis does not answer; nothing is lost.
        """
        self._context.check_writable()
        await enter_write(self._redis)
        waiting = await self._calls.waiting(self._people)
        could = not waiting
        with each_alone() as alone:
            for person in waiting:
                with alone():
                    await self._some_of(person, min(waiting[person], _A_TURN))
                    could = True
            if could:
                with alone():
                    await self._sign()
        return bool(waiting)

    async def _some_of(self, person: str, most: int) -> None:
        for _ in range(most):
            if not await self._one(person):
                return

    async def _sign(self) -> None:
        """Note now and then that requests are served."""
        if time.monotonic() >= self._sign_at:
            await self._calls.sign(await server_time(self._redis))
            self._sign_at = time.monotonic() + _SIGN_S

    async def tidy(self) -> None:
        """End what nobody approved in time, and finish what a worker left behind.

        Raises:
            Unreachable: Redis does not answer; nothing is lost.
        """
        now = await server_time(self._redis)
        pending = await self._calls.pending()
        self.served.waiting = sum(
            each.state is RequestState.WAITING for each in pending
        )
        with each_alone() as alone:
            for record in pending:
                with alone():
                    await self._tidied(record, now)

    async def _tidied(self, record: Pending, now: datetime) -> None:
        if record.state is RequestState.WAITING and record.until <= now:
            answer = expired(record, now)
            await self._settle(
                Step(record.person, record.id, before=record, answer=answer)
            )
        elif record.began is not None and now - record.began > _STUCK:
            await self._resume(record, now)

    async def _resume(self, record: Pending, now: datetime) -> None:
        try:
            await self._finish(record, None, now)
        except MeterdeckError:
            raise
        except Exception as error:  # as in `_one`
            self._failed(record.person, error)
            answer = replace(failed(record.person, now), id=record.id)
            await self._settle(
                Step(record.person, record.id, before=record, answer=answer)
            )

    def _failed(self, person: str, error: Exception) -> None:
        trace = traceback.format_exc(limit=-4)
        journal.error("request_failed", person=person, error=repr(error), trace=trace)

    # -- one request ---------------------------------------------------------------

    async def _one(self, person: str) -> bool:
        """Deal with the oldest request of a person; False where there is none."""
        head = await self._calls.next(person)
        if head is None:
            return False
        self.served.dropped += head.dropped
        try:
            await self._deal_with(head)
        except MeterdeckError:
            raise
        except Exception as error:  # a bug at one request must keep nobody else waiting
            self._failed(head.person, error)
            answer = replace(failed(head.person, head.now), id=id_in(head.text or b""))
            await self._settle(Step(head.person, "", head, True, answer=answer))
        return True

    async def _deal_with(self, head: Head) -> None:
        try:
            request = _read(head)
        except BadInput as error:
            # Not remembered: the id is free for what was meant.
            await self._refuse(head, "", error, about=id_in(head.text or b""))
            return
        if isinstance(request.wish, Decision):
            record = await self._decided(head, request, request.wish)
        else:
            record = await self._asked(head, request, request.wish)
        if record is not None:
            await self._finish(record, head, head.now)

    async def _asked(
        self, head: Head, request: ChangeRequest, change: Change
    ) -> Pending | None:
        """Return what is to be carried out now; None where it is answered."""
        known = await self._calls.known(head.person, request.id)
        text = name_text(head.text or b"")
        if not _is_same(known, request, text):
            error = Refused("this id was used for another request before")
            await self._refuse(head, "", error, about=request.id)
            return None
        if known.last is not None:
            await self._settle(_from(head, request.id, answer=known.last, final=False))
            return None
        if known.pending is not None:
            if known.pending.state is RequestState.APPLYING:
                return known.pending
            again = waits(known.pending, head.now)
            await self._settle(_from(head, request.id, answer=again))
            return None
        if request.until is not None and request.until <= head.now:
            late = answer_to(head, request, RequestState.EXPIRED)
            said = "no worker read it in time; nothing was changed"
            await self._settle(_from(head, request.id, answer=replace(late, says=said)))
            return None
        return await self._begin(head, request, change, text)

    async def _begin(
        self, head: Head, request: ChangeRequest, change: Change, text: str
    ) -> Pending | None:
        try:
            judged = await self._judge.judge(change)
            if judged.why:
                await self._check_room()
        except Unreachable as error:
            if not is_other_type(error):
                raise
            await self._refuse(head, request.id, error)  # it only looked
            return None
        except MeterdeckError as error:
            await self._refuse(head, request.id, error)
            return None
        record = Pending(
            person=head.person,
            id=request.id,
            text=text,
            state=RequestState.WAITING if judged.why else RequestState.APPLYING,
            asked_at=head.now,
            until=head.now + timedelta(hours=self._rules.expire_h),
            why=judged.why,
            before=judged.before,
            after=judged.after,
            began=None if judged.why else head.now,
        )
        step = _from(head, request.id, after=record)
        if not judged.why:
            begun = await self._calls.settle(replace(step, takes=False))
            return record if begun else None
        await self._settle(replace(step, answer=waits(record, head.now)))
        return None

    async def _check_room(self) -> None:
        waiting = await self._calls.pending()
        if len(waiting) >= MOST_PENDING:
            raise Refused(
                f"{len(waiting):,} requests wait for approval, and no more may; have"
                " some approved or rejected first"
            )

    async def _decided(
        self, head: Head, request: ChangeRequest, decision: Decision
    ) -> Pending | None:
        """Return what was approved and is to be carried out now."""
        try:
            found = await self._deciding.decide(head, request.id, decision)
        except Refused as error:
            await self._refuse(head, request.id, error)
            return None
        if isinstance(found, Step):
            await self._settle(found)
            return None
        return found

    # -- ends ----------------------------------------------------------------------

    async def _finish(self, record: Pending, head: Head | None, now: datetime) -> None:
        """Carry out what nobody has to approve any more, and answer."""
        answer = await carried_out(self._applier, record, now)
        step = Step(record.person, record.id, head, True, record, answer=answer)
        if head is not None and head.person != record.person:
            decision = id_in(head.text or b"")
            step = replace(step, decider=head.person, told=answer.about(decision))
        await self._settle(step)

    async def _refuse(
        self, head: Head, request: str, error: MeterdeckError, *, about: str = ""
    ) -> None:
        answer = refused(head, request, error)
        if about:
            answer = replace(answer, id=about, request=about)
        await self._settle(Step(head.person, request, head, takes=True, answer=answer))

    async def _settle(self, step: Step) -> None:
        if await self._calls.settle(step) and step.answer is not None:
            self.served.answered += step.answer.state.final
            self._told(step.answer)


def _read(head: Head) -> ChangeRequest:
    if head.text is None:
        raise BadInput(
            f"the request has {head.size:,} bytes; at most {LARGEST_REQUEST:,} are read"
        )
    return read_request(head.text)


def _is_same(known: Known, request: ChangeRequest, text: str) -> bool:
    """Tell whether what is known of an id, if anything, is the same request.

    A repeat may be wanted for longer than the first one was.
    """
    before = known.last or known.pending
    if before is None or before.digest == digest_of(text):
        return True
    meant = known.last.meaning if known.last else ""
    if known.pending and not meant:
        meant = meaning_of(read_request(name_bytes(known.pending.text)))
    return meant == meaning_of(request)


def _from(
    head: Head,
    request: str,
    *,
    after: Pending | None = None,
    answer: RequestAnswer | None = None,
    final: bool = True,
) -> Step:
    """Return the step that takes a person's own request off their list."""
    return Step(
        head.person, request if final else "", head, True, after=after, answer=answer
    )
