"""The directory in memory: what Stripe says, customer by customer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meterdeck.core.model.subscriptions import status_rank
from meterdeck.core.model.usage import Tenant, TenantId


@dataclass(frozen=True, slots=True)
class SharedTenant:
    """A tenant that several customers claim to be; one of them is shown.

    The best subscription's status wins, and the smallest customer id on a tie, so
    everybody who looks sees the same one.
    """

    tenant: TenantId
    kept: str
    others: tuple[str, ...]


class Book:
    """Every customer as a tenant; each tenant by the customer that speaks for it."""

    def __init__(self, tenants: Iterable[Tenant] = ()) -> None:
        self._by_customer: dict[str, Tenant] = {}
        self._claims: dict[TenantId, tuple[str, ...]] = {}
        for tenant in tenants:
            self.put(tenant.customer, tenant)

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[TenantId]:
        return iter(self._claims)

    def put(self, customer: str, tenant: Tenant | None) -> frozenset[TenantId]:
        """Set what a customer is, None for gone; return the tenants this touches."""
        before = self._by_customer.pop(customer, None)
        if before is not None:
            self._withdraw(before.id, customer)
        if tenant is not None:
            self._by_customer[customer] = tenant
            claims = (*self._claims.get(tenant.id, ()), customer)
            self._claims[tenant.id] = tuple(sorted(claims, key=self._standing))
        return frozenset(found.id for found in (before, tenant) if found is not None)

    def get(self, tenant: TenantId) -> Tenant | None:
        """Return a tenant as its best customer has it, None where there is none."""
        claims = self._claims.get(tenant)
        return self._by_customer[claims[0]] if claims else None

    def of_customer(self, customer: str) -> Tenant | None:
        """Return what a customer is, None where it is not known."""
        return self._by_customer.get(customer)

    def shared(self) -> tuple[SharedTenant, ...]:
        """Return the tenants with several customers, in order of their ids."""
        several = ((name, kept) for name, kept in self._claims.items() if kept[1:])
        return tuple(
            SharedTenant(name, kept[0], kept[1:]) for name, kept in sorted(several)
        )

    def snapshot(self) -> Mapping[TenantId, Tenant]:
        """Return every tenant by its id."""
        return {
            name: self._by_customer[claims[0]] for name, claims in self._claims.items()
        }

    def _standing(self, customer: str) -> tuple[int, str]:
        return -status_rank(self._by_customer[customer].status), customer

    def _withdraw(self, tenant: TenantId, customer: str) -> None:
        left = tuple(claim for claim in self._claims[tenant] if claim != customer)
        if left:
            self._claims[tenant] = left
        else:
            del self._claims[tenant]
