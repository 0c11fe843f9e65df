"""Somebody of each role with a Redis user as `meterdeck acl` makes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from tests.support.people import RULES
from tests.support.raw import ask
from tests.support.role_users import place_of

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.role_scripts import role_scripts
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.user_rules import Place, rules_of
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.services.requests.desk import RequestDesk
from meterdeck.core.services.requests.requested_changes import RequestedChanges


@dataclass(frozen=True)
class Member:
    """Somebody with a Redis user of a role."""

    redis: Redis
    context: Context

    @property
    def desk(self) -> RequestDesk:
        """Where they see requests."""
        return RequestDesk(self.redis, self.context)

    @property
    def changes(self) -> RequestedChanges:
        """What they ask by."""
        return RequestedChanges(self.redis, self.context)


async def load_role_scripts(redis: Redis) -> None:
    """Have every node know the scripts, as `meterdeck acl --apply` has it."""
    for text in role_scripts().values():
        await ask(redis, "SCRIPT", "LOAD", text)


@asynccontextmanager
async def staff(
    redis: Redis, context: Context, **roles: Role
) -> AsyncIterator[dict[str, Member]]:
    """Make users as `meterdeck acl` does, on every node, and open their clients."""
    place: Place = await place_of(redis, context)
    rules = replace(RULES, wait_s=0)
    found = {}
    async with AsyncExitStack() as stack:
        await load_role_scripts(redis)
        for name, role in roles.items():
            arguments = rules_of(role, place, name=name).arguments()
            await ask(redis, "ACL", "SETUSER", *arguments, ">pw")
            stack.push_async_callback(ask, redis, "ACL", "DELUSER", name)
            options = replace(context.redis, username=name, password=Secret("pw"))
            client = open_redis(options)
            stack.push_async_callback(client.aclose)
            own = replace(
                context, redis=options, changes=Changes.REQUEST, requests=rules
            )
            found[name] = Member(client, own)
        yield found
