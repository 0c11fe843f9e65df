"""What a database says of the Redis contract: one hash, read by every writer."""

from __future__ import annotations

from typing import Any, cast

from meterdeck.core.adapters.redis_client import Redis, execute_write, redis_errors
from meterdeck.core.adapters.redis_refusals import is_no_permission
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.contract import UNSTORED, Contract
from meterdeck.core.model.keys import KeyLayout

_FIELDS = ("version", "writers", "upgraded_at", "upgrading")


async def read_contract(redis: Redis, layout: KeyLayout) -> Contract:
    """Return what is stored; version 1 where nothing is, or no right to look.

    A user without the right is one of version 1's: who wants older programs shut out
    gives users `+hmget` on the key.

    Raises:
        RedisUnreachable, RedisRefused: It could not be read.
    """
    try:
        with redis_errors():
            raw = await cast("Any", redis).hmget(layout.contract(), _FIELDS)
    except RedisRefused as error:
        if is_no_permission(error):
            return Contract()
        raise
    version, writers, at, upgrading = (_number(each) for each in raw)
    return Contract(version or UNSTORED, writers or UNSTORED, at, upgrading)


async def write_contract(redis: Redis, layout: KeyLayout, **fields: int) -> None:
    """Store fields of it.

    Raises:
        RedisUnreachable, RedisRefused, UnknownOutcome: As in `execute_write`.
    """
    parts = [part for pair in fields.items() for part in pair]
    await execute_write(
        redis,
        *("HSET", layout.contract(), *parts),
        what="the contract's version",
        operation_id="",
    )


def _number(text: bytes | None) -> int:
    # What is no number says nothing; `meterdeck upgrade` writes it anew.
    return int(text) if text and text.isdigit() and len(text) < 16 else 0
