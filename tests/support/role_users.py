"""Redis users as `meterdeck acl` makes them, and a client of each."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.role_scripts import role_digests, role_scripts
from meterdeck.core.adapters.server_facts import read_facts
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.acl.user_rules import Place, rules_of
from meterdeck.core.model.context import Context, Secret


@dataclass(frozen=True)
class RoleUser:
    """A user of a role, and its client."""

    role: Role
    name: str
    context: Context
    redis: Redis


async def place_of(redis: Redis, context: Context) -> Place:
    """Return where users of a context are to work."""
    (facts, *_) = await read_facts(redis)
    cluster = context.redis.cluster is not None
    server = Server.of_info(facts.info)
    return Place(context.redis.layout, server, role_digests(), cluster=cluster)


@asynccontextmanager
async def role_users(
    redis: Redis, context: Context
) -> AsyncIterator[dict[Role, RoleUser]]:
    """Make the user of each role, have `deploy` load the scripts, and open clients."""
    place, users = await place_of(redis, context), {}
    async with AsyncExitStack() as stack:
        for role in Role:
            rules = rules_of(role, place)
            await ask(redis, "ACL", "SETUSER", *rules.arguments(), ">pw")
            stack.push_async_callback(ask, redis, "ACL", "DELUSER", rules.name)
            options = replace(context.redis, username=rules.name, password=Secret("pw"))
            client = open_redis(options)
            stack.push_async_callback(client.aclose)
            own = replace(context, redis=options)
            users[role] = RoleUser(role, rules.name, own, client)
        for text in role_scripts().values():
            await ask(users[Role.DEPLOY].redis, "SCRIPT", "LOAD", text)
        yield users
