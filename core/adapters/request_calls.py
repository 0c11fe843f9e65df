"""Requests in Redis: appending one, looking at the next, and each step's writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    clock_time,
    execute_write,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.change_requests import LARGEST_REQUEST
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.request_answers import (
    Pending,
    RequestAnswer,
    read_answer,
    read_pending,
)

NEXT_REQUEST = ("checks", "next_request")
SETTLE_REQUEST = ("checks", "settle_request")

MOST_WAITING = 1_000
"""Requests in a person's list; newer ones are dropped."""
ANSWERS_KEPT = 1_000
"""Answers in a person's stream, about."""
ANSWERS_KEPT_S = 35 * 86_400
LAST_ANSWER_KEPT_S = 7 * 86_400


_SERVED = b"served"
"""Field of what waits; no request is called so, for a name of one has a colon."""


@dataclass(frozen=True, slots=True)
class Head:
    """The oldest request in a person's list.

    Attributes:
        digest: What it is known by to whoever takes it off the list.
        size: Bytes.
        text: None where it is longer than what is read.
        dropped: Newer requests that were dropped: there were too many.
    """

    person: str
    digest: str
    size: int
    text: bytes | None
    now: datetime
    dropped: int


@dataclass(frozen=True, slots=True)
class Step:
    """What is written together, where nothing has changed meanwhile.

    Attributes:
        asker: Whose request it is about.
        request: Its id; empty where it has none.
        head: The list's first element, from which this step comes.
        takes: Whether that is taken off its list.
        before: What is pending of the request, None for nothing.
        after: What shall be.
        answer: For who asked.
        told: For who decided.
        decider: Who that is.
    """

    asker: str
    request: str
    head: Head | None = None
    takes: bool = False
    before: Pending | None = None
    after: Pending | None = None
    answer: RequestAnswer | None = None
    told: RequestAnswer | None = None
    decider: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a request; both None: nothing."""

    pending: Pending | None
    last: RequestAnswer | None


class RequestCalls:
    """Reads and writes requests of one context.

    Every method raises RedisUnreachable, RedisRefused and, where it writes,
    UnknownOutcome; a step that is repeated is found to be done.
    """

    def __init__(self, redis: Redis, layout: KeyLayout) -> None:
        self._redis = redis
        self._layout = layout
        self._next = Script(*NEXT_REQUEST)
        self._settle = Script(*SETTLE_REQUEST)

    async def append(self, person: str, text: str, request: str) -> None:
        """Append to a person's list; twice is no harm, the id is the same."""
        await execute_write(
            self._redis,
            *("RPUSH", self._layout.requests(person), name_bytes(text)),
            what="the request",
            operation_id=request,
        )

    async def next(self, person: str) -> Head | None:
        """Return the oldest request in a person's list; None where it is empty."""
        reply = await self._next.run(
            self._redis,
            [self._layout.requests(person)],
            [LARGEST_REQUEST, MOST_WAITING],
            what="looking at requests",
            operation_id="",
        )
        if reply[0] == b"none":
            return None
        size = int(reply[3])
        return Head(
            person=person,
            digest=reply[2].decode(),
            size=size,
            text=reply[5] if size <= LARGEST_REQUEST else None,
            now=from_milliseconds(int(reply[1])),
            dropped=int(reply[4]),
        )

    async def settle(self, step: Step) -> bool:
        """Write a step; False where somebody else was faster."""
        layout, asker = self._layout, step.asker
        head, answer = step.head, step.answer
        lister = head.person if head else asker
        final = answer is not None and answer.state.final and step.request != ""
        by_record = bool(step.before or step.after)
        reply = await self._settle.run(
            self._redis,
            [
                layout.requests(lister),
                layout.pending(),
                layout.answered(asker, step.request),
                layout.answers(asker),
                layout.answers(step.decider or asker),
            ],
            [
                head.digest if head else "",
                int(step.takes),
                f"{asker}:{step.request}" if by_record else "",
                name_bytes(step.before.write()) if step.before else "",
                name_bytes(step.after.write()) if step.after else "",
                answer.write() if answer else "",
                step.told.write() if step.told else "",
                int(final),
                ANSWERS_KEPT,
                ANSWERS_KEPT_S,
                LAST_ANSWER_KEPT_S,
            ],
            what="a step of a request",
            operation_id="",
        )
        return reply[0] == b"ok"

    async def known(self, asker: str, request: str) -> Known:
        """Return what is known of a request."""
        field, layout = f"{asker}:{request}", self._layout
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(cast("Any", layout.pending()), field)
                pipe.get(layout.answered(asker, request))
                pending, last = await pipe.execute()
        return Known(
            read_pending(pending) if pending else None,
            read_answer(last) if last else None,
        )

    async def waiting(self, people: Sequence[str]) -> dict[str, int]:
        """Return who has asked for something, and how many requests each."""
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for person in people:
                    pipe.llen(self._layout.requests(person))
                # A key of another type is its owner's affair, and keeps nobody waiting.
                lengths = await pipe.execute(raise_on_error=False)
        pairs = zip(people, lengths, strict=True)
        return {who: found for who, found in pairs if isinstance(found, int) and found}

    async def unread(self, person: str, count: int) -> list[bytes]:
        """Return the oldest requests in a person's list."""
        with redis_errors():
            key = self._layout.requests(person)
            reply = await cast("Any", self._redis).lrange(key, 0, count - 1)
        return list(reply)

    async def pending(self) -> list[Pending]:
        """Return everything that waits, oldest first; what makes no sense is left out.

        Everything: the worker lets only so many wait.
        """
        with redis_errors():
            reply = await cast("Any", self._redis).hgetall(self._layout.pending())
        raw = cast("Mapping[bytes, bytes]", reply)
        found = [each for each in map(read_pending, raw.values()) if each is not None]
        return sorted(found, key=lambda each: (each.asked_at, each.name))

    async def sign(self, now: datetime) -> None:
        """Note that somebody serves requests now."""
        await execute_write(
            self._redis,
            *("HSET", self._layout.pending(), _SERVED, to_milliseconds(now)),
            what="a sign of life",
            operation_id="",
        )

    async def silence_s(self) -> float | None:
        """Return seconds since somebody served requests; None: nobody ever did."""
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.hget(cast("Any", self._layout.pending()), cast("Any", _SERVED))
                clock, said = await pipe.execute()
        if not said or not said.isdigit():
            return None
        now_ms = to_milliseconds(clock_time(clock))
        return max(0.0, (now_ms - int(said)) / 1000)

    async def last_place(self, person: str) -> str:
        """Return the place of a person's newest answer; `0-0` before the first."""
        with redis_errors():
            reply = await self._redis.xrevrange(self._layout.answers(person), count=1)
        found = cast("list[tuple[bytes, Any]]", reply)
        return found[0][0].decode() if found else "0-0"

    async def answers_after(
        self, person: str, place: str, count: int = 100
    ) -> list[tuple[str, RequestAnswer]]:
        """Return answers that came after a place, oldest first, each with its own."""
        with redis_errors():
            key = self._layout.answers(person)
            reply = await self._redis.xrange(key, f"({place}", count=count)
        return _answers(cast("_Entries", reply))

    async def newest_answers(self, person: str, count: int) -> list[RequestAnswer]:
        """Return a person's answers, newest first."""
        with redis_errors():
            key = self._layout.answers(person)
            reply = await self._redis.xrevrange(key, count=count)
        return [answer for _, answer in _answers(cast("_Entries", reply))]


_Entries = list[tuple[bytes, dict[bytes, bytes]]]


def _answers(entries: _Entries) -> list[tuple[str, RequestAnswer]]:
    pairs = ((place, read_answer(fields[b"answer"])) for place, fields in entries)
    return [(place.decode(), found) for place, found in pairs if found is not None]
