"""Asking: a person's side of changes by request."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.request_calls import RequestCalls
from meterdeck.core.errors import (
    Asked,
    BadInput,
    RedisRefused,
    Refused,
    Unreachable,
)
from meterdeck.core.model.change_requests import (
    LARGEST_REQUEST,
    ChangeRequest,
    Wish,
    check_request_id,
    write_request,
)
from meterdeck.core.model.context import Context
from meterdeck.core.model.request_answers import (
    RequestAnswer,
    RequestState,
    refusal_of,
)
from meterdeck.core.model.request_reading import read_request
from meterdeck.core.model.request_sight import wish_of

STANDS = timedelta(hours=1)
"""So long a request that no worker reads is wanted."""
_UNREAD = 100
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.03, 0.5

APPROVAL = "another person's approval"
WORKER = "a worker's answer"


class Asking:
    """Appends to the list of the context's own Redis user, and waits for answers."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._calls = RequestCalls(redis, context.redis.layout)
        self.person = context.redis.username
        self._rules = context.requests
        self._context = context

    async def ask(self, request_id: str, wish: Wish) -> RequestAnswer:
        """Ask for something, and return the answer once it is final.

        Asked again with the same id it is answered again, and not done again.

        Raises:
            BadInput, NotFound, Refused: It is not done; what a direct change raises.
            ReadOnly: The context allows no changes; nobody was asked.
            Asked: Not answered yet: it may still be done.
            RedisUnreachable, RedisRefused: Nobody was asked.
            UnknownOutcome: Asked or not, nobody knows: repeat it with the same id.
        """
        check_request_id(request_id)
        self._context.check_writable()
        people = [person for person, _ in self._rules.people]
        if people and self.person not in people:
            raise Refused(
                f"the requests of {self.person} are not served: requests.people does"
                " not name this Redis user"
            )
        until = await server_time(self._redis) + STANDS
        text = write_request(ChangeRequest(request_id, wish, until))
        if len(text) > LARGEST_REQUEST:
            raise BadInput("the request is too long; ask for fewer tenants at once")
        place = await self._calls.last_place(self.person)
        await self._calls.append(self.person, text, request_id)
        return _checked(await self._answer(request_id, place), request_id)

    async def asked(self, request_id: str) -> Wish | None:
        """Return what is asked for under an id and not answered for good, if anything.

        Raises:
            RedisUnreachable, RedisRefused: It could not be read.
        """
        # In this order: what a worker reads meanwhile is found where it has gone.
        unread = await self.unread()
        known = await self._calls.known(self.person, request_id)
        if known.pending is not None:
            return wish_of(known.pending)
        return next((each.wish for each in unread if each.id == request_id), None)

    async def unread(self) -> list[ChangeRequest]:
        """Return the person's own requests that no worker has read, oldest first.

        Raises:
            RedisUnreachable: They could not be read.
        """
        try:
            raw = await self._calls.unread(self.person, _UNREAD)
        except RedisRefused:
            return []  # a person may be let append and not read
        found = []
        for text in raw:
            try:
                found.append(read_request(text))
            except BadInput:
                continue  # the worker will say what is wrong
        return found

    async def _answer(self, request_id: str, place: str) -> RequestAnswer | None:
        until, pause_s = time.monotonic() + self._rules.wait_s, _FIRST_PAUSE_S
        while time.monotonic() < until:
            # What cannot be read says nothing of what was asked for: it may be done.
            with suppress(Unreachable):
                for at, answer in await self._calls.answers_after(self.person, place):
                    place = at
                    if answer.id == request_id:
                        return answer
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return None


def _checked(answer: RequestAnswer | None, request_id: str) -> RequestAnswer:
    if answer is None:
        raise Asked(request_id, WORKER)
    if answer.state is RequestState.WAITING:
        why = answer.says.rpartition(": ")[2]
        raise Asked(request_id, f"{APPROVAL}, because {why}", by_a_person=True)
    if answer.state is RequestState.REFUSED:
        raise refusal_of(answer)
    return answer
