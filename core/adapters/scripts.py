"""The Lua scripts: every write to a counter, override or audit trail is one of them.

Keys, arguments and replies are described at the head of each file in `lua/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    execute_write,
    from_milliseconds,
)
from meterdeck.core.adapters.redis_refusals import (
    is_unknown_script,
    right_missing,
)
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    MeterdeckError,
    NoRight,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.holding import holding
from meterdeck.core.model.names import name_text
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Limit, LimitSource

Reply = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class PeriodMoved:
    """A period is not the current one any more; nothing was written."""

    now: datetime


@dataclass(frozen=True, slots=True)
class CycleMoved:
    """The directory has another billing cycle; nothing was written."""


class Script:
    """One script; sent by its digest, in full only where the server lacks it."""

    def __init__(self, *names: str) -> None:
        self._name = names[-1]
        # The first line makes the server refuse the script as a whole when it is
        # out of memory, a replica, or cannot reach its disk.
        self.text = b"#!lua\n" + b"\n".join(_source(name) for name in names)
        digest = hashlib.sha1(self.text, usedforsecurity=False)
        self.digest: str = digest.hexdigest()

    async def run(
        self,
        redis: Redis,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        *,
        what: str,
        operation_id: str,
    ) -> Reply:
        """Run at most once and return the reply.

        Raises:
            BadInput, BrokenCounter, Refused: What the scripts' common replies say.
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `execute_write`.
        """
        rest = (len(keys), *keys, *arguments)
        sent = {"what": what, "operation_id": operation_id}
        loaded = True
        try:
            try:
                reply = await execute_write(
                    redis, "EVALSHA", self.digest, *rest, **sent
                )
            except RedisRefused as error:
                if not is_unknown_script(error):
                    raise
                loaded = False
                reply = await execute_write(redis, "EVAL", self.text, *rest, **sent)
        except NoRight as error:
            # `from None` would lose the server's own words.
            raise right_missing(
                redis, error, script=self._name, what=what, loaded=loaded
            ) from error.__cause__
        assert isinstance(reply, list)
        if wrong := problem(reply, self._name):
            raise wrong
        return reply


class Scripts:
    """The scripts of one Redis server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._adjust = Script("checks", "reserved", "trail", "adjust")
        self._set_override = Script("checks", "trail", "set_override")
        self._clear_override = Script("checks", "trail", "clear_override")

    async def adjust(
        self,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        operation_id: str,
        *,
        what: str = "the adjustment",
    ) -> Reply:
        """Change a counter and write it down; at most once an operation id."""
        return await self._adjust.run(
            self._redis,
            keys,
            arguments,
            what=what,
            operation_id=operation_id,
        )

    async def set_override(
        self,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        operation_id: str,
        *,
        what: str = "the override",
    ) -> Reply:
        """Set an override and write it down; at most once an operation id."""
        return await self._set_override.run(
            self._redis,
            keys,
            arguments,
            what=what,
            operation_id=operation_id,
        )

    async def clear_override(
        self,
        keys: Sequence[bytes],
        arguments: Sequence[Argument],
        operation_id: str,
        *,
        what: str = "the override's removal",
    ) -> Reply:
        """Remove an override and write it down; at most once an operation id."""
        return await self._clear_override.run(
            self._redis,
            keys,
            arguments,
            what=what,
            operation_id=operation_id,
        )


def moved(reply: Reply) -> PeriodMoved | CycleMoved | None:
    """Return what has to be looked up again before the script can do its work."""
    if reply[0] == b"period":
        return PeriodMoved(from_milliseconds(int(reply[1])))
    return CycleMoved() if reply[0] == b"cycle" else None


def limit_text(limit: Limit) -> str:
    """Write a limit as the scripts take it."""
    if limit.source is LimitSource.NONE:
        return "none"
    return "unlimited" if limit.units is None else str(limit.units)


def read_limit(text: bytes, source: bytes) -> Limit:
    """Read a limit the scripts checked."""
    units = None if text in (b"unlimited", b"none") else int(text)
    return Limit(units, LimitSource(source.decode()))


@cache  # most are part of many scripts
def _source(name: str) -> bytes:
    return files("meterdeck.core.adapters").joinpath("lua", f"{name}.lua").read_bytes()


def problem(reply: Reply, script: str) -> MeterdeckError | None:
    """Return the error that a reply common to all scripts stands for, if it is one."""
    match reply[0]:
        case b"broken":
            key = visible(name_text(reply[1]))
            return BrokenCounter(key, holding(reply[2].decode(), reply[3]))
        case b"foreign":
            key = visible(name_text(reply[1]))
            return Refused(
                f"{key} holds {holding(reply[2].decode())}, not {reply[3].decode()};"
                " meterdeck does not overwrite it"
            )
        case b"overflow":
            return Refused(
                f"the counter of {visible(name_text(reply[1]))} would pass 2^53,"
                " beyond which counting is not exact; nothing was changed"
            )
        case b"reused":
            # When it was used is a part of what track is asked.
            or_when = ", or for this one at another moment" if script == "track" else ""
            return Refused(
                f"this operation id was used for another change before{or_when};"
                " nothing was changed"
            )
        case b"bad":
            return BadInput(f"{script}: wrong {visible(name_text(reply[1]))}")
        case _:
            return None
