"""The Lua scripts: every write to a counter, override or audit trail is one of them.

Keys, arguments and replies are described at the head of each file in `lua/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    execute_write,
    from_milliseconds,
    is_unknown_script,
    to_milliseconds,
)
from meterdeck.core.errors import (
    BadInput,
    BrokenCounter,
    RedisRefused,
    Refused,
)
from meterdeck.core.model.holding import holding
from meterdeck.core.model.names import name_text
from meterdeck.core.model.periods import Period
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName

Reply = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PeriodMoved:
    """A period is not the current one any more; nothing was written."""

    now: datetime


@dataclass(frozen=True, slots=True)
class CycleMoved:
    """The directory has another billing cycle; nothing was written."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resource of a consume call; `default` counts where no plan says more."""

    resource: ResourceName
    amount: int
    period: Period
    counter: bytes
    override: bytes
    default: Limit


@dataclass(frozen=True, slots=True)
class ConsumeCall:
    """A consume call; `call` and `index` are empty where they are not to be written.

    Attributes:
        entry: Key of the directory entry.
        index: Keys of the sequence number and the index of changes, or empty.
        cycle: The billing cycle the periods come from, as the directory has it.
    """

    tenant: bytes
    entry: bytes
    wanted: Sequence[Wanted]
    call: bytes
    call_retention_s: int
    index: tuple[bytes, ...]
    retention_ms: int
    cycle: bytes
    call_id: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one resource of a consume call."""

    resource: ResourceName
    current: int
    limit: Limit
    refused: bool
    period: Period


@dataclass(frozen=True, slots=True)
class Consumed:
    """The script's answer to a consume call."""

    replayed: bool
    allowed: bool
    at: datetime
    counted: tuple[Counted, ...]


class Script:
    """One script; sent by its digest, in full only where the server lacks it."""

    def __init__(self, *names: str) -> None:
        self._name = names[-1]
        # The first line makes the server refuse the script as a whole when it is
        # out of memory, a replica, or cannot reach its disk.
        self.text = b"#!lua\n" + b"\n".join(_source(name) for name in names)
        self.digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

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
        command = (self.digest, len(keys), *keys, *arguments)
        try:
            reply = await execute_write(
                redis, "EVALSHA", *command, what=what, operation_id=operation_id
            )
        except RedisRefused as error:
            if not is_unknown_script(error):
                raise
            reply = await execute_write(
                redis,
                "EVAL",
                self.text,
                *command[1:],
                what=what,
                operation_id=operation_id,
            )
        assert isinstance(reply, list)
        _raise_common(reply, self._name)
        return tuple(reply)


class Scripts:
    """The scripts of one Redis server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._consume = Script("checks", "consume")
        self._adjust = Script("checks", "trail", "adjust")
        self._set_override = Script("checks", "trail", "set_override")
        self._clear_override = Script("checks", "trail", "clear_override")

    async def consume(self, call: ConsumeCall) -> Consumed | PeriodMoved | CycleMoved:
        """Check and count one call, all of it or nothing.

        Counts at most once a call id, where the call has one.

        Raises:
            As in `Script.run`.
        """
        count = len(call.wanted)
        keys = [call.entry]
        keys += [wanted.counter for wanted in call.wanted]
        keys += [wanted.override for wanted in call.wanted]
        arguments: list[Argument] = [
            count,
            call.call_retention_s if call.call else 0,
            1 if call.index else 0,
            call.tenant,
            call.retention_ms,
            call.cycle,
        ]
        for wanted in call.wanted:
            arguments += _wanted_arguments(wanted)
        keys += [call.call] if call.call else []
        reply = await self._consume.run(
            self._redis,
            [*keys, *call.index],
            arguments,
            what="usage",
            operation_id=call.call_id,
        )
        return moved(reply) or _consumed(reply)

    async def adjust(
        self, keys: Sequence[bytes], arguments: Sequence[Argument], operation_id: str
    ) -> Reply:
        """Change a counter and write it down; at most once an operation id."""
        return await self._adjust.run(
            self._redis,
            keys,
            arguments,
            what="the adjustment",
            operation_id=operation_id,
        )

    async def set_override(
        self, keys: Sequence[bytes], arguments: Sequence[Argument], operation_id: str
    ) -> Reply:
        """Set an override and write it down; at most once an operation id."""
        return await self._set_override.run(
            self._redis,
            keys,
            arguments,
            what="the override",
            operation_id=operation_id,
        )

    async def clear_override(
        self, keys: Sequence[bytes], arguments: Sequence[Argument], operation_id: str
    ) -> Reply:
        """Remove an override and write it down; at most once an operation id."""
        return await self._clear_override.run(
            self._redis,
            keys,
            arguments,
            what="the override's removal",
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


def _source(name: str) -> bytes:
    return files("meterdeck.core.adapters").joinpath("lua", f"{name}.lua").read_bytes()


def _wanted_arguments(wanted: Wanted) -> list[Argument]:
    return [
        wanted.resource,
        wanted.amount,
        to_milliseconds(wanted.period.start),
        to_milliseconds(wanted.period.end),
        wanted.period.label,
        limit_text(wanted.default),
        wanted.default.source,
    ]


def _consumed(reply: Reply) -> Consumed:
    return Consumed(
        replayed=reply[1] == b"1",
        allowed=reply[2] == b"1",
        at=from_milliseconds(int(reply[3])),
        counted=tuple(_counted(reply[at : at + 8]) for at in range(4, len(reply), 8)),
    )


def _counted(fields: Reply) -> Counted:
    name, current, limit, source, refused, start, end, label = fields
    period = Period(
        from_milliseconds(int(start)), from_milliseconds(int(end)), label.decode()
    )
    return Counted(
        resource=ResourceName(name.decode()),
        current=int(current),
        limit=read_limit(limit, source),
        refused=refused == b"1",
        period=period,
    )


def _raise_common(reply: Sequence[bytes], script: str) -> None:
    match reply[0]:
        case b"broken":
            key = visible(name_text(reply[1]))
            raise BrokenCounter(key, holding(reply[2].decode(), reply[3]))
        case b"foreign":
            key = visible(name_text(reply[1]))
            raise Refused(
                f"{key} holds {holding(reply[2].decode())}, not {reply[3].decode()};"
                " meterdeck does not overwrite it"
            )
        case b"overflow":
            raise Refused(
                f"the counter of {visible(name_text(reply[1]))} would pass 2^53,"
                " beyond which counting is not exact; nothing was changed"
            )
        case b"reused":
            raise Refused(
                "this operation id was used for another change before;"
                " nothing was changed"
            )
        case b"bad":
            raise BadInput(f"{script}: wrong {visible(name_text(reply[1]))}")
        case _:
            return
