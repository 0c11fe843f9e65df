"""People with Redis users of their own, and the worker that serves their requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from tests.support.contexts import redis_context
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.request_rules import Changes, Rank, RequestOptions
from meterdeck.core.services.requests.desk import RequestDesk
from meterdeck.core.services.requests.requested_changes import (
    RequestedBulk,
    RequestedChanges,
)
from meterdeck.core.services.requests.serving import RequestServer

PEOPLE = (("alice", Rank.SUPPORT), ("bob", Rank.LEAD), ("carol", Rank.LEAD))
RULES = RequestOptions(people=PEOPLE, wait_s=10.0)


def office(url: str, rules: RequestOptions = RULES) -> Context:
    """Return the worker's context; plan free allows 1,000 calls."""
    return replace(redis_context(url), changes=Changes.REQUEST, requests=rules)


async def hire(redis: Redis, person: str) -> None:
    """Give a person a Redis user that may read, and append to their own list."""
    own = f"(%W~meterdeck:requests:{person} +rpush)"
    reads = ("%R~*", "resetchannels", "-@all", "+@read", "+@connection", "+time")
    await ask(redis, "ACL", "SETUSER", person, "reset", "on", ">pw", *reads, own)


@dataclass
class Person:
    """Somebody at their console."""

    name: str
    redis: Redis
    context: Context

    @property
    def changes(self) -> RequestedChanges:
        """What they ask for changes by."""
        return RequestedChanges(self.redis, self.context)

    @property
    def bulk(self) -> RequestedBulk:
        """What they ask for many changes by."""
        return RequestedBulk(self.redis, self.context)

    @property
    def desk(self) -> RequestDesk:
        """Where they see requests."""
        return RequestDesk(self.redis, self.context)

    async def push(self, text: bytes | str, whose: str = "") -> None:
        """Append anything to a list, their own unless it says whose."""
        await ask(self.redis, "RPUSH", f"meterdeck:requests:{whose or self.name}", text)


@asynccontextmanager
async def at_work(
    redis: Redis, context: Context, name: str, *, wait_s: float = 10.0
) -> AsyncIterator[Person]:
    """Have a person log in."""
    await hire(redis, name)
    options = replace(context.redis, username=name, password=Secret("pw"))
    own = replace(
        context, redis=options, requests=replace(context.requests, wait_s=wait_s)
    )
    client = open_redis(options)
    try:
        yield Person(name, client, own)
    finally:
        await client.aclose()


def server_of(redis: Redis, context: Context) -> RequestServer:
    """Return a worker that serves requests."""
    return RequestServer(redis, context)
