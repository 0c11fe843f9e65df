"""Asking once more for an answer that was lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from meterdeck.core.errors import RedisRefused, RedisUnreachable, UnknownOutcome

_T = TypeVar("_T")
_TRIES = 2


async def ask_twice(send: Callable[[], Awaitable[_T]]) -> _T:
    """Send something that has an id, and once more if its answer is lost.

    Raises:
        UnknownOutcome: Done or not, nobody knows.
        RedisUnreachable, RedisRefused: It was not done.
    """
    lost: UnknownOutcome | None = None
    for _ in range(_TRIES):
        try:
            return await send()
        except UnknownOutcome as error:
            lost = error
        except (RedisUnreachable, RedisRefused) as error:
            # The try before this one may have been carried out.
            raise lost or error from error
    assert lost is not None
    raise lost
