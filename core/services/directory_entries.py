"""The directory in Redis: one hash a tenant, written whole, read by the hundred."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    RoutedRedis,
    redis_errors,
)
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.cycle_change import CYCLE_BEFORE
from meterdeck.core.services.directory_reader import ReadState
from meterdeck.core.services.tenant_fields import (
    FieldReader,
    decode,
    encode,
    read_moment,
    tenant_to_fields,
    write_moment,
)

_READ_AT_ONCE = 1_000
_WRITE_AT_ONCE = 50  # in one transaction, during which nobody else is served


_CYCLE_BEFORE = encode(CYCLE_BEFORE)


Tell = Callable[[Sequence[Tenant]], Awaitable[None]]
"""Is told of some tenants."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The directory as it was found in Redis.

    Attributes:
        whole: Whether every tenant of the index has its entry.
        state: How far Stripe was read; None where that is not noted, or was under
            other rules.
    """

    tenants: Mapping[TenantId, Tenant]
    whole: bool
    state: ReadState | None


class DirectoryEntries:
    """Reads and writes entries; every call may raise RedisUnreachable or Refused.

    Args:
        rules: Digest of the rules the entries are made by.

    Attributes:
        due: Tenants whose entry, as it was last read or written, notes that what was
            used before its billing cycle changed is to be carried; see `Carrying`.
    """

    def __init__(self, redis: Redis, layout: KeyLayout, rules: str) -> None:
        self._redis = redis
        self._reader = BulkReader(redis)
        self._layout = layout
        self._rules = rules
        self._replace = Script("replace_entry").text.decode()
        self.due: set[TenantId] = set()

    async def load(self, tell: Tell | None = None) -> Stored:
        """Read everything: 100,000 tenants take a second.

        Args:
            tell: Is given the tenants as they are read, in order of their ids.
        """
        with redis_errors():
            # The state first: entries written meanwhile are newer than it says.
            noted = await self._redis.hgetall(self._layout.directory())
            members = await self._redis.smembers(self._layout.tenants())
        names = sorted(TenantId(decode(name)) for name in members)
        del members
        tenants: dict[TenantId, Tenant] = {}
        due: set[TenantId] = set()
        fields = FieldReader()
        for start in range(0, len(names), _READ_AT_ONCE):
            batch = names[start : start + _READ_AT_ONCE]
            found = await self._reader.hashes(map(self._layout.tenant, batch))
            read = {
                name: fields.tenant(name, raw)
                for name, raw in zip(batch, found, strict=True)
                if raw
            }
            due.update(
                name
                for name, raw in zip(batch, found, strict=True)
                if _CYCLE_BEFORE in raw
            )
            tenants.update(read)
            if tell is not None:
                await tell(tuple(read.values()))
            await asyncio.sleep(0)  # others want to read, too
        self.due = due
        whole = len(tenants) == len(names)
        return Stored(tenants, whole, _state(_decoded(noted), self._rules))

    async def one(self, name: TenantId) -> Tenant | None:
        """Read one tenant's entry, None where it has none."""
        with redis_errors():
            raw = await self._redis.hgetall(self._layout.tenant(name))
        return FieldReader().tenant(name, _encoded(raw)) if raw else None

    async def revision(self) -> str:
        """Return a mark that differs after every write."""
        with redis_errors():
            mark = await self._redis.hget(self._layout.directory(), "revision")
        return decode(mark) if mark else ""

    async def write(self, tenants: Sequence[Tenant]) -> None:
        """Replace the entries of these tenants; a reader sees the old or the new."""
        for start in range(0, len(tenants), _WRITE_AT_ONCE):
            batch = tenants[start : start + _WRITE_AT_ONCE]
            if isinstance(self._redis, RoutedRedis):
                await self._write_routed(batch)
                continue
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.eval(self._replace, len(batch), *self._replacing(batch))
                pipe.sadd(self._layout.tenants(), *(encode(one.id) for one in batch))
                pipe.hincrby(self._layout.directory(), "revision", 1)
                with redis_errors():
                    noted, *_ = await pipe.execute()
            self._note_due(batch, noted)

    async def _write_routed(self, tenants: Sequence[Tenant]) -> None:
        # A cluster has no transaction over several tenants: each entry is replaced
        # as a whole, and who reads the mark in between reads once more.
        async with self._redis.pipeline(transaction=False) as pipe:
            for tenant in tenants:
                pipe.eval(self._replace, 1, *self._replacing([tenant]))
            with redis_errors():
                replies = await pipe.execute()
        self._note_due(tenants, [noted for (noted,) in replies])
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(self._layout.tenants(), *(encode(one.id) for one in tenants))
            with redis_errors():
                await pipe.execute()
        await self._mark()

    def _replacing(self, tenants: Sequence[Tenant]) -> list[Argument]:
        """Return the keys the script is given, and its arguments."""
        arguments: list[Argument] = [self._layout.tenant(each.id) for each in tenants]
        for each in tenants:
            fields = _flat(tenant_to_fields(each))
            arguments += [len(fields), *fields]
        return arguments

    def _note_due(self, tenants: Sequence[Tenant], noted: Sequence[bytes]) -> None:
        self.due |= {each.id for each, mark in zip(tenants, noted, strict=True) if mark}

    async def _mark(self) -> None:
        with redis_errors():
            await self._redis.hincrby(self._layout.directory(), "revision", 1)

    async def remove(self, names: Sequence[TenantId]) -> None:
        """Take these tenants out; their counters are not touched."""
        for start in range(0, len(names), _WRITE_AT_ONCE):
            batch = names[start : start + _WRITE_AT_ONCE]
            if isinstance(self._redis, RoutedRedis):
                await self._remove_routed(batch)
                continue
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(*(self._layout.tenant(name) for name in batch))
                pipe.srem(self._layout.tenants(), *map(encode, batch))
                pipe.hincrby(self._layout.directory(), "revision", 1)
                with redis_errors():
                    await pipe.execute()

    async def _remove_routed(self, names: Sequence[TenantId]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.srem(self._layout.tenants(), *map(encode, names))
            with redis_errors():
                await pipe.execute()
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.delete(self._layout.tenant(name))
            with redis_errors():
                await pipe.execute()
        await self._mark()

    async def note(self, state: ReadState) -> None:
        """Remember how far Stripe has been read; to be called after the writes."""
        fields = {
            "cursor": state.cursor or "",
            "read_at": write_moment(state.read_at),
            "doubles": json.dumps(state.doubles),
            "rules": self._rules,
        }
        with redis_errors():
            await self._redis.hset(self._layout.directory(), items=_flat(fields))


def _state(noted: Mapping[str, str], rules: str) -> ReadState | None:
    read_at = read_moment(noted.get("read_at"))
    doubles = _names(noted.get("doubles", ""))
    if read_at is None or doubles is None or noted.get("rules") != rules:
        return None
    return ReadState(noted.get("cursor") or None, read_at, doubles)


def _names(text: str) -> tuple[str, ...] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list):
        return None
    return tuple(name for name in found if isinstance(name, str))


def _decoded(raw: Mapping[bytes | str, bytes | str]) -> dict[str, str]:
    return {decode(field): decode(value) for field, value in raw.items()}


def _encoded(raw: Mapping[bytes | str, bytes | str]) -> dict[bytes, bytes]:
    # The client's types allow text, though ours is opened to return bytes.
    return {
        encode(decode(field)): encode(decode(value)) for field, value in raw.items()
    }


def _flat(fields: Mapping[str, str]) -> list[bytes]:
    return [encode(text) for item in fields.items() for text in item]
