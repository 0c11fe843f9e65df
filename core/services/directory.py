"""The directory: who the tenants are, by Stripe, kept in Redis for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    enter_write,
    redis_errors,
)
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound, RedisRefused, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_text
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.carrying import Carrying
from meterdeck.core.services.directory_book import SharedTenant
from meterdeck.core.services.directory_entries import DirectoryEntries, Stored, Tell
from meterdeck.core.services.directory_reader import (
    DirectoryReader,
    ReadState,
    utc_now,
)
from meterdeck.core.services.matching import rules_digest


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """What is different since the directory was last asked.

    Attributes:
        tenants: New and changed tenants, in order of their ids.
        removed: Tenants that are gone, in order.
        shared: All tenants that several customers claim to be, changed or not.
    """

    tenants: tuple[Tenant, ...]
    removed: tuple[TenantId, ...]
    shared: tuple[SharedTenant, ...] = ()


class Directory:
    """Tenants from Stripe: everything once a day, then what changed; cached in Redis.

    A context that is read-only, or a program that is older than the database's
    contract, reads the cache and Stripe and writes nothing. A
    context without Stripe sees what others have written. Whoever writes or reads an
    entry whose billing cycle was changed lets the tenant's limits go on from what was
    used.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        gateway: StripeGateway | None,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        layout = context.redis.layout
        self._redis = redis
        self._layout = layout
        self._entries = DirectoryEntries(redis, layout, rules_digest(context))
        self._read_only = context.read_only
        self._carrying = Carrying(redis, context)
        self._reader = DirectoryReader(gateway, context, now=now) if gateway else None
        self._one_at_a_time = asyncio.Lock()
        self._told: dict[TenantId, Tenant] = {}
        self._tell_all = True
        self._loaded: Stored | None = None
        self._stored: dict[TenantId, Tenant] | None = None
        self._unsaved: set[TenantId] | None = None  # None: compare everything
        self._noted: ReadState | None = None
        self._revision: str | None = None

    async def cached(self, tell: Tell | None = None) -> tuple[Tenant, ...]:
        """Return what is in Redis, in order of the ids; asks nothing of Stripe.

        Args:
            tell: Is given the tenants as they are read.
        """
        async with self._one_at_a_time:
            # The mark first: entries written meanwhile are read again.
            revision = await self._entries.revision()
            stored = await self._load(tell)
            await self._carry()
            self._told = dict(stored.tenants)
            self._tell_all = self._reader is not None
            self._revision = revision
            return tuple(stored.tenants.values())

    async def everybody(self) -> tuple[Tenant, ...]:
        """Return what is in Redis, and who used something and has no entry there.

        Such a tenant is no customer. The index of changes names those who were counted
        by meterdeck's scripts; for tagged keys there is none.
        """
        known = await self.cached()
        ids = {each.id for each in known}
        strangers = [each for each in await self._changed() if each not in ids]
        return (*known, *(Tenant(each, each) for each in sorted(strangers)))

    async def _changed(self) -> list[TenantId]:
        if self._layout.tagged:
            return []
        key = self._layout.changed()
        try:
            with redis_errors():
                names = await self._redis.zrangebyscore(key, "-inf", "+inf")
        except RedisRefused:
            return []  # not this user's to read, or something else's key
        return [TenantId(name_text(name)) for name in cast("list[bytes]", names)]

    async def get(self, name: str) -> Tenant:
        """Return one tenant by its id or by its customer's, as Redis has it.

        Raises:
            NotFound: There is no entry of that name.
        """
        found = await self._entries.one(TenantId(name)) or await self._by_customer(name)
        if found is None:
            raise NotFound(f"no tenant or customer is called {visible(name)}")
        return found

    async def _by_customer(self, name: str) -> Tenant | None:
        if self._reader is not None and self._reader.state is not None:
            tenant = self._reader.book.of_customer(name)
            return await self._entries.one(tenant.id) if tenant else None
        stored = await self._entries.load()
        by_customer = {tenant.customer: tenant for tenant in stored.tenants.values()}
        return by_customer.get(name) if name else None

    async def refresh(self) -> DirectoryChange:
        """Bring the directory up to date and return what differs from before.

        "Before" is what `cached` or the last `refresh` returned. While Redis is
        away the directory is kept in memory and written later.

        Raises:
            StripeUnreachable, StripeRefused: Stripe could not be read; what was
                known stays.
            RedisUnreachable: There is no Stripe in this context, and no Redis.
        """
        async with self._one_at_a_time:
            if self._reader is None:
                change = await self._refresh_from_redis()
                await self._carry()
                return change
            if self._reader.state is None:
                await self._resume(self._reader)
            touched = await self._reader.refresh()
            if touched is None:
                self._tell_all, self._unsaved = True, None
            elif self._unsaved is not None:
                self._unsaved |= touched
            await self._keep(self._reader)
            await self._carry()
            book = self._reader.book
            if self._tell_all:
                return self._tell_everything(book.snapshot(), book.shared())
            found = {name: book.get(name) for name in touched or ()}
            return self._tell(found, book.shared())

    async def save(self, tenants: Iterable[Tenant]) -> None:
        """Write these entries; does nothing in a context that is read-only."""
        if not self._read_only:
            await enter_write(self._redis)
            await self._entries.write(tuple(tenants))
            await self._carry()

    async def _carry(self) -> None:
        """Carry what is due; the entries are written, so nothing counts on there."""
        if self._read_only or not self._entries.due:
            return
        with suppress(Unreachable):  # or too old: another program carries it
            await enter_write(self._redis)
            await self._carrying.carry(self._entries.due)

    async def _load(self, tell: Tell | None = None) -> Stored:
        stored = await self._entries.load(tell)
        if self._reader is not None:  # else nothing is compared, or written
            self._loaded = stored
            self._stored, self._noted = dict(stored.tenants), stored.state
            self._unsaved = None
        return stored

    async def _resume(self, reader: DirectoryReader) -> None:
        """Start from what others have read, where that is all there and recent."""
        try:
            stored = self._loaded or await self._load()
        except Unreachable:
            return  # Stripe is read whole instead, and Redis written when it is back
        self._loaded = None
        if stored.whole and stored.state is not None:
            reader.resume(stored.tenants.values(), stored.state)

    async def _refresh_from_redis(self) -> DirectoryChange:
        revision = await self._entries.revision()
        if revision == self._revision and not self._tell_all:
            return DirectoryChange((), ())
        stored = await self._load()
        self._revision = revision
        return self._tell_everything(stored.tenants, ())

    async def _keep(self, reader: DirectoryReader) -> None:
        """Write what differs; what cannot be written now is written next time."""
        if self._read_only:
            return
        try:
            await enter_write(self._redis)
            if self._stored is None:
                await self._load()
            await self._write_differences(reader)
        except RedisRefused:
            self._unsaved = None
        except Unreachable:
            self._unsaved = self._stored = None  # how much was written is not known

    async def _write_differences(self, reader: DirectoryReader) -> None:
        stored = self._stored if self._stored is not None else {}
        names = self._unsaved
        if names is None:
            names = stored.keys() | set(reader.book)
        changed: list[Tenant] = []
        gone: list[TenantId] = []
        for name in sorted(names):
            tenant = reader.book.get(name)
            if tenant is None and name in stored:
                gone.append(name)
            elif tenant is not None and stored.get(name) != tenant:
                changed.append(tenant)
        await self._entries.write(changed)
        await self._entries.remove(gone)
        stored.update((tenant.id, tenant) for tenant in changed)
        for name in gone:
            del stored[name]
        state = reader.state
        if state is not None and state != self._noted:
            await self._entries.note(state)
            self._noted = state
        self._unsaved = set()

    def _tell_everything(
        self, now: Mapping[TenantId, Tenant], shared: tuple[SharedTenant, ...]
    ) -> DirectoryChange:
        self._tell_all = False
        names = self._told.keys() | now.keys()
        return self._tell({name: now.get(name) for name in names}, shared)

    def _tell(
        self,
        found: Mapping[TenantId, Tenant | None],
        shared: tuple[SharedTenant, ...],
    ) -> DirectoryChange:
        """Return how `found` differs from what was told before; None is gone."""
        changed: list[Tenant] = []
        removed: list[TenantId] = []
        for name, tenant in sorted(found.items()):
            if tenant is None:
                if self._told.pop(name, None) is not None:
                    removed.append(name)
            elif self._told.get(name) != tenant:
                self._told[name] = tenant
                changed.append(tenant)
        return DirectoryChange(tuple(changed), tuple(removed), shared)
