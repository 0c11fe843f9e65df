"""Whether a Redis server is fit to deliver from."""

from __future__ import annotations

from contextlib import suppress

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.script_loading import load_scripts, missing_scripts
from meterdeck.core.adapters.server_facts import ServerFacts, read_facts
from meterdeck.core.errors import ConfigError, RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.services.sync import journal

_NO_EVICTION = "noeviction"


async def check_redis(redis: Redis, context: Context) -> None:
    """Accept a server that keeps what it acknowledged.

    Raises:
        ConfigError: It would forget billing records when it is started anew.
        RedisUnreachable: It does not answer.
    """
    try:
        servers = await read_facts(redis)
    except RedisRefused as error:
        journal.warning("redis_not_checked", reason=error)
        return
    for server in servers:
        _check_kept(server, context)
        policy = server.info.get("maxmemory_policy", _NO_EVICTION)
        if policy != _NO_EVICTION:
            journal.warning("redis_evicts", server=server.name, policy=policy)


async def load_all(redis: Redis) -> None:
    """Load the contract's scripts, for programs that send digests alone.

    A user who may not gets by without: each script is sent when it is first used.

    Raises:
        RedisUnreachable: It does not answer.
    """
    with suppress(RedisRefused):
        await load_scripts(redis, await missing_scripts(redis))


def _check_kept(server: ServerFacts, context: Context) -> None:
    if server.number("aof_enabled") or "aof_enabled" not in server.info:
        return
    if context.delivery.allow_volatile:
        journal.warning("redis_forgets", server=server.name)
        return
    raise ConfigError(
        f"contexts.{context.name}.redis",
        "this Redis keeps no append-only file: started anew, it would not know what"
        " was billed, and bill it again",
        "set appendonly yes at the server; or delivery.allow_volatile_redis = true,"
        " if billing twice does no harm",
    )
