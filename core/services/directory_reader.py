"""Reads customers and subscriptions from Stripe: all of them once, then changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import NotFound
from meterdeck.core.model.context import Context
from meterdeck.core.model.subscriptions import (
    Customer,
    StripeEvent,
    Subscription,
    best_subscription,
)
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.directory_book import Book
from meterdeck.core.services.matching import tenant_of
from meterdeck.core.services.together import together

FULL_READ_EVERY = timedelta(hours=24)
_T = TypeVar("_T")
_MOST_EVENTS = 1000
_MOST_CUSTOMERS = 500
_TURN = 500  # customers matched before others get their turn of the loop
_TYPES = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
)


@dataclass(frozen=True, slots=True)
class ReadState:
    """How far Stripe has been read.

    Attributes:
        cursor: Id of an event; what came after it is read again. None before the
            first event there was.
        read_at: When everything was last read.
        doubles: Customers whose tenant another customer speaks for.
    """

    cursor: str | None
    read_at: datetime
    doubles: tuple[str, ...] = ()


class _TooMuch(Exception):
    """So much has changed that reading everything is cheaper."""


def utc_now() -> datetime:
    """Return this host's clock."""
    return datetime.now(UTC)


class DirectoryReader:
    """Keeps a book of all customers up to date with Stripe.

    Args:
        now: The clock that says when a day is over.
        settle_s: Seconds an event is looked at again before the cursor passes it:
            Stripe's list may still take in older ones.
    """

    def __init__(
        self,
        gateway: StripeGateway,
        context: Context,
        *,
        now: Callable[[], datetime] = utc_now,
        settle_s: float = 30.0,
    ) -> None:
        self.book = Book()
        self._gateway = gateway
        self._context = context
        self._now = now
        self._settle_s = settle_s
        self._cursor: str | None = None
        self._read_at: datetime | None = None
        self._seen: dict[str, float] = {}
        self._unsure: tuple[str, ...] = ()

    @property
    def state(self) -> ReadState | None:
        """How far Stripe has been read, None before the first time."""
        if self._read_at is None:
            return None
        doubles = [other for tenant in self.book.shared() for other in tenant.others]
        return ReadState(self._cursor, self._read_at, tuple(doubles))

    def resume(self, tenants: Iterable[Tenant], state: ReadState) -> None:
        """Go on where somebody left off, instead of reading everything."""
        self.book = Book(tenant for tenant in tenants if tenant.customer)
        self._cursor, self._read_at = state.cursor, state.read_at
        self._unsure = state.doubles

    async def refresh(self) -> frozenset[TenantId] | None:
        """Bring the book up to date; return whom that touched, None for everybody.

        A failure leaves the book as it was.

        Raises:
            StripeUnreachable, StripeRefused: Stripe could not be read.
        """
        if self._read_at is not None and self._now() - self._read_at < FULL_READ_EVERY:
            with suppress(_TooMuch, NotFound):  # Stripe keeps events for 30 days
                return await self._read_changes()
        await self._read_all()
        return None

    async def _read_changes(self) -> frozenset[TenantId]:
        events = await self._gateway.events(self._cursor, _TYPES, at_most=_MOST_EVENTS)
        fresh = (event for event in events if event.id not in self._seen)
        changed = {event.customer_id for event in fresh} | set(self._unsure)
        changed.discard("")
        if len(events) >= _MOST_EVENTS or len(changed) > _MOST_CUSTOMERS:
            raise _TooMuch
        touched = await self._read_customers(sorted(changed))
        self._unsure = ()
        self._pass(events)
        return touched

    def _pass(self, events: list[StripeEvent]) -> None:
        """Remember what was seen, and move the cursor past what has settled."""
        now = time.monotonic()
        self._seen = {event.id: self._seen.get(event.id, now) for event in events}
        for event in events:
            if now - self._seen[event.id] < self._settle_s:
                break
            self._cursor = event.id
            del self._seen[event.id]

    async def _read_customers(self, customers: list[str]) -> frozenset[TenantId]:
        found = await _together([self._read_customer(name) for name in customers])
        touched: set[TenantId] = set()
        for name, tenant in zip(customers, found, strict=True):
            touched |= self.book.put(name, tenant)
        return frozenset(touched)

    async def _read_customer(self, name: str) -> Tenant | None:
        try:
            customer = await self._gateway.customer(name)
            if customer.deleted:
                return None
            listed = [found async for found in self._gateway.subscriptions(name)]
        except NotFound:
            return None
        return tenant_of(customer, best_subscription(listed), self._context)

    async def _read_all(self) -> None:
        # The cursor first: what changes meanwhile is read again afterwards.
        cursor, read_at = await self._gateway.newest_event(_TYPES), self._now()
        best: dict[str, Subscription] = {}
        customers: list[Customer] = []
        await _together([self._all_best(best), self._all_customers(customers)])
        book = Book()
        for number, customer in enumerate(customers):
            subscription = best.get(customer.id)
            book.put(customer.id, tenant_of(customer, subscription, self._context))
            if number % _TURN == 0:
                await asyncio.sleep(0)
        self.book, self._cursor, self._read_at = book, cursor, read_at
        self._seen, self._unsure = {}, ()

    async def _all_best(self, best: dict[str, Subscription]) -> None:
        async for found in self._gateway.subscriptions():
            rival = best.get(found.customer_id)
            winner = best_subscription((found, rival) if rival else (found,))
            best[found.customer_id] = winner or found

    async def _all_customers(self, customers: list[Customer]) -> None:
        listed = self._gateway.customers()
        customers.extend([found async for found in listed if not found.deleted])


async def _together(work: list[Coroutine[None, None, _T]]) -> list[_T]:
    """Run these at once; the first failure ends the others and is raised."""
    async with together() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]
