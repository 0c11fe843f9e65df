"""Makes the users of roles on a context's servers, after saying what would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.acl_calls import (
    load_script,
    save_users,
    seen_users,
    set_user,
    who_am_i,
)
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.role_scripts import role_digests, role_scripts
from meterdeck.core.adapters.script_loading import missing_of
from meterdeck.core.adapters.server_facts import read_facts
from meterdeck.core.errors import Refused
from meterdeck.core.model.acl.differences import UserDifference, difference_of
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.acl.user_rules import UserRules
from meterdeck.core.model.context import Context


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of users that were applied.

    Attributes:
        kept: The servers have written them into their ACL file; else they are gone
            when a server is restarted.
        replicas: Replicas that were not reached: each has users of its own.
    """

    kept: bool
    replicas: int


class RedisUsers:
    """Every method may raise RedisUnreachable or RedisRefused."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._context = context

    async def server(self) -> Server:
        """Return the oldest of the servers, whose rules all of them take.

        Raises:
            Refused: One does not say what it is.
        """
        found = [Server.of_info(each.info) for each in await read_facts(self._redis)]
        return min(found, key=lambda each: (each.major, each.minor))

    async def differences(self, users: Sequence[UserRules]) -> list[UserDifference]:
        """Return for each user and server what applying would change."""
        return [
            difference_of(user, seen, server)
            for user in users
            for server, seen in (await seen_users(self._redis, user.name)).items()
        ]

    async def missing_scripts(self) -> tuple[str, ...]:
        """Return the names of scripts that people run and a server has forgotten."""
        return await missing_of(self._redis, role_digests())

    async def apply(self, users: Sequence[UserRules]) -> Applied:
        """Make the users, and have the servers know the scripts that people run.

        A user that has passwords keeps them unless it is given a hash. It may be
        repeated: the second time changes nothing.

        Raises:
            ReadOnly: The context allows no changes.
            Refused: It would change the user that does it.
        """
        self._context.check_writable()
        own = await who_am_i(self._redis)
        if own in {each.name for each in users}:
            raise Refused(
                f"{own} is the user that would do it, and might shut itself out;"
                " apply it as another user, such as meterdeck-deploy"
            )
        for user in users:
            await set_user(self._redis, user.arguments())
        for text in role_scripts().values():
            await load_script(self._redis, text)
        kept = await save_users(self._redis)
        return Applied(kept, await self._replicas())

    async def _replicas(self) -> int:
        if self._context.redis.cluster is not None:
            return 0  # a cluster's were asked, too
        facts = await read_facts(self._redis)
        return sum(each.number("connected_slaves") for each in facts)
