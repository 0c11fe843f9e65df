"""The ledger of billing credits: what is left of each grant, and which one pays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush

from meterdeck.core.local_stripe import credit_transactions
from meterdeck.core.local_stripe.credit_records import CreditGrant, CreditTransaction
from meterdeck.core.local_stripe.world import World

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class UsableGrant:
    """A grant and how much is left of it."""

    grant: CreditGrant
    left: int


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """A line of an invoice that credits may pay; its price is a metered one."""

    id: str
    price: str
    amount: int


@dataclass(frozen=True, slots=True)
class Application:
    """So much of a grant pays so much of a line."""

    grant: str
    line: str
    amount: int


def applications(
    grants: Iterable[UsableGrant],
    lines: Sequence[CreditableLine],
    currency: str,
    now: datetime,
) -> tuple[Application, ...]:
    """Tell which grants pay what of an invoice; pure.

    Order of use as documented: priority, the first to expire, promotional before
    paid, the first to be effective, the first to be created. Within a grant the lines
    are paid in their order.

    Args:
        lines: Amounts after discounts, before tax, in the currency's smallest unit.
        now: When the invoice is finalised.
    """
    owed = {line.id: line.amount for line in lines}
    found: list[Application] = []
    for usable in sorted(grants, key=_order):
        left = usable.left if _is_usable(usable.grant, currency, now) else 0
        for line in lines:
            amount = min(left, owed[line.id])
            if amount > 0 and usable.grant.pays_for(line.price):
                found.append(Application(usable.grant.id, line.id, amount))
                owed[line.id] -= amount
                left -= amount
    return tuple(found)


def usable(world: World, customer: str) -> list[UsableGrant]:
    """Give a customer's grants with what is left of each."""
    grants = world.credit_grants.grouped(customer)
    return [UsableGrant(each, balance(world, each)) for each in grants]


def balance(world: World, grant: CreditGrant) -> int:
    """Give what is left of a grant by its ledger."""
    entries = world.credit_transactions.grouped(grant.id)
    return sum(each.signed for each in entries)


def is_used(world: World, grant: CreditGrant) -> bool:
    """Tell whether an invoice was ever paid with it."""
    entries = world.credit_transactions.grouped(grant.id)
    return any(each.kind == "credits_applied" for each in entries)


def apply(
    world: World, invoice: str, applied: Iterable[Application], at: datetime
) -> dict[Application, str]:
    """Record what an invoice was paid with; give each entry's id."""
    recorded = {}
    for each in applied:
        grant = world.credit_grants.get(each.grant)
        entry = record(
            world,
            grant,
            "credits_applied",
            each.amount,
            at,
            invoice=invoice,
            invoice_line_item=each.line,
        )
        recorded[each] = entry.id
    return recorded


def reinstate(world: World, invoice: str, at: datetime) -> None:
    """Give back what a voided invoice was paid with."""
    for entry in list(world.credit_transactions):
        if entry.kind != "credits_applied" or entry.invoice != invoice:
            continue
        grant = world.credit_grants.get(entry.grant)
        record(
            world,
            grant,
            "credits_application_invoice_voided",
            entry.value,
            at,
            invoice=invoice,
            invoice_line_item=entry.invoice_line_item,
        )
        plan_expiry(world, grant)


def record(
    world: World,
    grant: CreditGrant,
    kind: str,
    value: int,
    at: datetime,
    *,
    effective_at: datetime | None = None,
    invoice: str | None = None,
    invoice_line_item: str | None = None,
) -> CreditTransaction:
    """Write an entry and tell of it."""
    entry = CreditTransaction(
        id=world.ids.v2("cbtxn"),
        created=at,
        grant=grant.id,
        customer=grant.customer,
        currency=grant.currency,
        kind=kind,
        value=value,
        effective_at=effective_at or at,
        invoice=invoice,
        invoice_line_item=invoice_line_item,
    )
    world.credit_transactions.put(entry)
    world.events.emit(
        "billing.credit_balance_transaction.created",
        credit_transactions.render(world, entry),
        at=at,
    )
    return entry


def plan_expiry(world: World, grant: CreditGrant) -> None:
    """Remember when what is left of a grant is lost."""
    if grant.expires_at is not None:
        heappush(world.credits_expiring, (grant.expires_at, grant.id))


def catch_up(world: World, now: datetime) -> None:
    """Debit what expired by now, each at its own time.

    What is on a test clock expires when that one advances.
    """
    while world.credits_expiring and world.credits_expiring[0][0] <= now:
        due, grant_id = heappop(world.credits_expiring)
        grant = world.credit_grants.get(grant_id)
        # An entry of before an update is stale: the update planned its own.
        if grant.expires_at == due and world.clock_of(grant.customer) is None:
            expire(world, grant, due)


def expire(world: World, grant: CreditGrant, at: datetime) -> None:
    """Debit what is left of a grant."""
    left = balance(world, grant)
    if left > 0:
        record(world, grant, "credits_expired", left, at)


def _is_usable(grant: CreditGrant, currency: str, now: datetime) -> bool:
    return (
        grant.currency == currency
        and grant.voided_at is None
        and grant.effective_at <= now
        and not grant.expired(now)
    )


def _order(usable: UsableGrant) -> tuple[int, datetime, bool, datetime, datetime]:
    grant = usable.grant
    return (
        grant.priority,
        grant.expires_at or _NEVER,
        grant.category != "promotional",
        grant.effective_at,
        grant.created,
    )
