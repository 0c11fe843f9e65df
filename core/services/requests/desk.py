"""What a person sees of requests, and says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.request_calls import RequestCalls
from meterdeck.core.errors import MeterdeckError, NotFound, Refused
from meterdeck.core.model.change_requests import (
    Change,
    ChangeRequest,
    Decision,
    Verdict,
    check_request_id,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.request_foresight import SILENT_S, Foresight
from meterdeck.core.model.request_rules import Changes, Rank
from meterdeck.core.model.request_sight import SeenRequest, sight_of
from meterdeck.core.model.text import visible
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.asking import Asking
from meterdeck.core.services.requests.judging import Judge


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests as one person sees them.

    Attributes:
        unread: The person's own that no worker has read.
        pending: Everybody's that wait or are being carried out, oldest first.
        answered: What the person was answered for good, newest first.
    """

    person: str
    unread: tuple[ChangeRequest, ...]
    pending: tuple[Pending, ...]
    answered: tuple[RequestAnswer, ...]

    @property
    def seen(self) -> tuple[SeenRequest, ...]:
        """All of them as a list shows them."""
        return sight_of(self.person, self.unread, self.pending, self.answered)


class RequestDesk:
    """Shows requests to a person, and takes down what they say of them."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context
        self._calls = RequestCalls(redis, context.redis.layout)
        self._asking = Asking(redis, context)
        self._rules = context.requests
        self._direct = context.changes is Changes.DIRECT
        self.person = context.redis.username

    async def look(self, answers: int = 50) -> Requests:
        """Return what there is to see; nothing where changes are made directly.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        if self._direct:
            return Requests(self.person, (), (), ())
        return Requests(
            self.person,
            tuple(await self._asking.unread()),
            tuple(await self._calls.pending()),
            tuple(
                each
                for each in await self._calls.newest_answers(self.person, answers)
                if each.state.final
            ),
        )

    async def answers_after(self, place: str) -> list[tuple[str, RequestAnswer]]:
        """Return the answers after a place, oldest first, each with its own.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        return await self._calls.answers_after(self.person, place)

    async def last_place(self) -> str:
        """Return the place of the newest answer.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        return await self._calls.last_place(self.person)

    async def to_decide(self) -> frozenset[str]:
        """Return the names of requests that wait for this person's word.

        Raises:
            RedisUnreachable, RedisRefused: They could not be read.
        """
        if self._rules.rank(self.person) is not Rank.LEAD:
            return frozenset()
        return frozenset(
            each.name
            for each in await self._calls.pending()
            if each.person != self.person and each.state is RequestState.WAITING
        )

    async def served(self) -> bool:
        """Return whether somebody serves requests now.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        silence_s = await self._calls.silence_s()
        return silence_s is not None and silence_s < SILENT_S

    async def foresee(self, change: Change) -> Foresight | None:
        """Say what will become of a change that is asked for; changes nothing.

        By this person's configuration: the worker's is what counts. None where changes
        are made directly, and where it cannot be told: the worker's answer says why.
        """
        if self._direct:
            return None
        # What it is worth only the worker can tell.
        rules = replace(self._rules, above_money=None)
        context = replace(self._context, requests=rules)
        changes = OperatorChanges(self._redis, context)
        try:
            judged = await Judge(self._redis, context, changes, None).judge(change)
            served = await self.served()
        except MeterdeckError:
            return None
        money = self._rules.above_money if judged.billed and not judged.why else None
        return Foresight(judged.why, money, served)

    async def find(self, named: str) -> Pending:
        """Return the request that waits under `alice:4f3c`, or an id of one person.

        Raises:
            NotFound: None does.
            Refused: Several people's have this id.
        """
        person, _, request = named.rpartition(":")
        pending = [
            each
            for each in await self._calls.pending()
            if each.id == request and person in ("", each.person)
        ]
        if not pending:
            raise NotFound(
                f"no request {visible(named)} waits; see: meterdeck requests list"
            )
        if len(pending) > 1:
            names = " or ".join(each.name for each in pending)
            raise Refused(f"several people's requests have this id: say {names}")
        return pending[0]

    async def decide(
        self, record: Pending, verdict: Verdict, reason: str, decision: str = ""
    ) -> RequestAnswer:
        """Approve, reject or withdraw a request; return what came of it.

        Raises:
            Refused: This person may not, or it does not wait any more.
            Asked: No worker has answered yet.
            RedisUnreachable, RedisRefused, UnknownOutcome: As `Asking.ask`.
        """
        own = check_request_id(decision or uuid4().hex)
        wish = Decision(verdict, record.person, record.id, record.digest, reason)
        return await self._asking.ask(own, wish)
