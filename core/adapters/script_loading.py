"""Which of the contract's scripts a server has, and giving it those it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from meterdeck.core.adapters.redis_client import Redis, redis_errors
from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.adapters.server_facts import ask_all


async def missing_scripts(redis: Redis) -> tuple[str, ...]:
    """Return the names of scripts that a master, or the only one, does not have.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    digests = {name: each.digest for name, each in script_texts().items()}
    return await missing_of(redis, digests)


async def missing_of(redis: Redis, digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of these scripts that a master, or the only one, lacks.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    with redis_errors():
        reply = await ask_all(redis, "SCRIPT EXISTS", *digests.values())
    answers = list(reply.values()) if isinstance(reply, dict) else [reply]
    there = [all(each) for each in zip(*cast("list[list[int]]", answers), strict=True)]
    return tuple(n for n, has in zip(digests, there, strict=True) if not has)


async def load_scripts(redis: Redis, names: Iterable[str]) -> None:
    """Load scripts at every master; one that is there already stays as it is.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    scripts = script_texts()
    for name in names:
        with redis_errors():
            await ask_all(redis, "SCRIPT LOAD", scripts[name].text)
