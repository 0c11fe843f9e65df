"""Users of Redis servers: read, made, kept; each server has its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meterdeck.core.adapters.redis_client import Redis, RoutedRedis, redis_errors
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.acl.differences import SeenUser, in_brackets, rules_seen

_NO_FILE = "not configured to use an ACL file"


async def who_am_i(redis: Redis) -> str:
    """Return the name of the user who asks.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    client: Any = redis  # the library does not type this method
    with redis_errors():
        where = {"target_nodes": (await _nodes(redis))[:1]} if _routed(redis) else {}
        answer = await client.execute_command("ACL", "WHOAMI", **where)
    return _text(_one_of(answer))


async def would_run(
    redis: Redis, name: str, commands: Sequence[Sequence[bytes | str]]
) -> list[bool]:
    """Ask one server whether a user might run each of `commands`; none is run.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    client: Any = redis  # the library does not type this method
    with redis_errors():
        where = {"target_nodes": (await _nodes(redis))[:1]} if _routed(redis) else {}
        answers = [
            await client.execute_command("ACL", "DRYRUN", name, *command, **where)
            for command in commands
        ]
    return [_text(_one_of(each)) == "OK" for each in answers]


async def seen_users(redis: Redis, name: str) -> Mapping[str, SeenUser | None]:
    """Return a user as each server has it, replicas of a cluster too; None: it has not.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    replies = await _everywhere(redis, "ACL", "GETUSER", name)
    return {server: _seen(reply) for server, reply in replies.items()}


async def set_user(redis: Redis, arguments: Sequence[str]) -> None:
    """Make a user everywhere; a server refuses all of its rules or none.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    await _everywhere(redis, "ACL", "SETUSER", *arguments)


async def load_script(redis: Redis, text: bytes) -> None:
    """Have every server know a script.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    await _everywhere(redis, "SCRIPT", "LOAD", text)


async def save_users(redis: Redis) -> bool:
    """Have each server keep its users in its ACL file; False where one has none.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    try:
        await _everywhere(redis, "ACL", "SAVE")
    except RedisRefused as error:
        if _NO_FILE in str(error.__cause__):
            return False
        raise
    return True


async def _everywhere(redis: Redis, *command: str | bytes) -> Mapping[str, Any]:
    client: Any = redis  # the library does not type this method
    with redis_errors():
        if not _routed(redis):
            return {"": await client.execute_command(*command)}
        nodes = await _nodes(redis)
        found: Mapping[str, Any] = await client.execute_command(
            *command, target_nodes=nodes
        )
        return found


def _one_of(answer: object) -> object:
    return next(iter(answer.values())) if isinstance(answer, Mapping) else answer


def _routed(redis: Redis) -> bool:
    return isinstance(redis, RoutedRedis)


async def _nodes(redis: Redis) -> list[Any]:
    """Return every node of a cluster, replicas too; by name they cannot be asked."""
    client: Any = redis
    cluster = await client.nodes.cluster.initialize()
    nodes: list[Any] = cluster.get_nodes()
    return nodes


def _seen(reply: Any) -> SeenUser | None:
    if reply is None:
        return None
    fields = _fields(reply)
    flags = {_text(each) for each in fields["flags"]}
    selectors = (
        in_brackets(_rules(_fields(each))) for each in fields.get("selectors", ())
    )
    return SeenUser(
        frozenset((*_rules(fields), *selectors)),
        on="on" in flags,
        nopass="nopass" in flags,
        password_hashes=frozenset(_text(each) for each in fields["passwords"]),
    )


def _rules(fields: Mapping[str, Any]) -> tuple[str, ...]:
    words = (_text(fields.get(each, b"")) for each in ("commands", "keys", "channels"))
    return rules_seen(*words)


def _fields(reply: Any) -> dict[str, Any]:
    if isinstance(reply, Mapping):
        return {_text(name): value for name, value in reply.items()}
    return {
        _text(name): value for name, value in zip(reply[::2], reply[1::2], strict=True)
    }


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
