"""The book: each tenant by the best of the customers that claim to be it."""

from itertools import permutations

import pytest

from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.directory_book import Book, SharedTenant

ACME = TenantId("acme")


def claim(customer: str, status: TenantStatus, tenant: TenantId = ACME) -> Tenant:
    """Return a tenant as one customer has it."""
    return Tenant(tenant, customer, customer, status=status)


CLAIMS = (
    claim("cus_a", TenantStatus.CANCELED),
    claim("cus_b", TenantStatus.ACTIVE),
    claim("cus_c", TenantStatus.ACTIVE),
    claim("cus_d", TenantStatus.NO_SUBSCRIPTION),
)


@pytest.mark.parametrize("order", list(permutations(CLAIMS)))
def test_the_best_claim_wins_in_whatever_order_they_come(
    order: tuple[Tenant, ...],
) -> None:
    """Best status, smallest customer id on a tie: the same for everybody."""
    book = Book(order)

    assert book.get(ACME) == CLAIMS[1]
    assert book.shared() == (SharedTenant(ACME, "cus_b", ("cus_c", "cus_a", "cus_d")),)
    assert book.snapshot() == {ACME: CLAIMS[1]}
    assert len(book) == 1


def test_a_customer_that_gets_worse_gives_way() -> None:
    """Putting a customer again replaces what it was."""
    book = Book(CLAIMS)

    book.put("cus_b", claim("cus_b", TenantStatus.PAST_DUE))

    assert book.get(ACME) == CLAIMS[2]


def test_a_customer_that_moves_or_goes_touches_both_tenants() -> None:
    """The answer names everybody who has to be looked at again."""
    other = TenantId("other")
    book = Book([claim("cus_a", TenantStatus.ACTIVE)])

    moved = book.put("cus_a", claim("cus_a", TenantStatus.ACTIVE, other))

    assert moved == {ACME, other}
    assert book.get(ACME) is None
    assert book.put("cus_a", None) == {other}
    assert book.put("cus_a", None) == frozenset()
    assert list(book) == []
