"""Questions to a server beside the code under test, with types the client lacks."""

from typing import Any

from meterdeck.core.adapters.cluster_client import ClusterClient
from meterdeck.core.adapters.redis_client import Redis

_OF_EVERY_NODE = ("ACL", "CONFIG", "SCRIPT")


async def ask(redis: Redis, *command: bytes | str | int) -> Any:
    """Send any command and return its reply as it is."""
    if isinstance(redis, ClusterClient) and command[0] in _OF_EVERY_NODE:
        return (await of_each_server(redis, *command))[0]
    return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


async def of_each_server(redis: Redis, *command: bytes | str | int) -> list[Any]:
    """Ask the one server, or every node of a cluster."""
    if not isinstance(redis, ClusterClient):
        return [await ask(redis, *command)]
    cluster = await redis.nodes.cluster.initialize()
    replies = await redis.execute_command(*command, target_nodes=cluster.get_nodes())
    return list(replies.values())


async def expiry_ms(redis: Redis, key: bytes) -> int:
    """Return when a key expires, in ms since 1970; -1 for never, -2 for no key."""
    return int(await ask(redis, "PEXPIRETIME", key))
