"""An invoice's life: drafted when periods end, final an hour later, then paid.

There are no payments here. What is charged automatically is paid the moment it is
final, as with a card that always works; only a subscription that was set to `past_due`
leaves it open. What is sent to the customer stays open until somebody pays it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from meterdeck.core.local_stripe import credit_ledger, invoice_credits
from meterdeck.core.local_stripe.invoice_lines import lines_of
from meterdeck.core.local_stripe.invoice_records import Invoice, Line
from meterdeck.core.local_stripe.invoice_view import amount_due, render, total_of
from meterdeck.core.local_stripe.records import Billed, Subscription
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

DRAFT_FOR = timedelta(hours=1)
# What a paused collection makes of an invoice that becomes final.
_PAUSED = {"mark_uncollectible": "uncollectible", "void": "void"}


def draft(
    world: World,
    subscription: Subscription,
    billed: tuple[Billed, ...],
    at: datetime,
    *,
    reason: str,
    period_start: datetime,
) -> Invoice | None:
    """Make the invoice of what is billed, None for nothing; it is final in an hour.

    The draft of an unpaid subscription, or of one whose collection is paused so,
    waits for a request.
    """
    if not billed:
        return None
    waits = (
        subscription.status == "unpaid" or _paused(subscription, at) == "keep_as_draft"
    )
    invoice = Invoice(
        id=world.ids.dated("in", at),
        created=at,
        customer=subscription.customer,
        subscription=subscription.id,
        currency=subscription.currency,
        billing_reason=reason,
        collection_method=subscription.collection_method,
        period_start=period_start,
        period_end=at,
        billed=billed,
        auto_advance=not waits,
        finalizes_at=None if waits else at + DRAFT_FOR,
        days_until_due=subscription.days_until_due,
        subscription_metadata=subscription.metadata,
    )
    store(world, invoice)
    _tell(world, invoice, at, "invoice.created")
    return invoice


def store(world: World, invoice: Invoice) -> None:
    """Store an invoice and plan when it becomes final."""
    world.invoices.put(invoice)
    if invoice.finalizes_at is not None:
        world.plan(invoice.finalizes_at, invoice.id, invoice.customer)


def finalise(world: World, invoice: Invoice, at: datetime) -> Invoice:
    """Fix the lines, number the invoice, use credits and balance, and collect."""
    customer = world.customers.get(invoice.customer)
    lines = lines_of(world, invoice.id, invoice.customer, invoice.billed)
    lines = invoice_credits.applied(world, invoice, lines, at)
    final = replace(
        invoice,
        lines=lines,
        status="open",
        finalizes_at=None,
        number=f"{customer.invoice_prefix}-{customer.next_invoice:04}",
        billed_to=customer,
        starting_balance=customer.balance,
        finalized_at=at,
    )
    owed = total_of(lines) + customer.balance
    left = owed - amount_due(total_of(lines), customer.balance)
    world.customers.put(
        replace(customer, balance=left, next_invoice=customer.next_invoice + 1)
    )
    world.invoices.put(final)
    _tell(world, final, at, "invoice.finalized")
    return _collected(world, final, at)


def paid(world: World, invoice: Invoice, at: datetime) -> Invoice:
    """Mark an open invoice as paid."""
    after = replace(invoice, status="paid", paid_at=at, auto_advance=False)
    world.invoices.put(after)
    _tell(world, after, at, "invoice.paid", "invoice.payment_succeeded")
    return after


def voided(world: World, invoice: Invoice, at: datetime) -> Invoice:
    """Void an invoice; the credits it used are given back."""
    after = replace(invoice, status="void", voided_at=at, auto_advance=False)
    world.invoices.put(after)
    credit_ledger.reinstate(world, invoice.id, at)
    _tell(world, after, at, "invoice.voided")
    return after


def uncollectible(world: World, invoice: Invoice, at: datetime) -> Invoice:
    """Give an invoice up."""
    after = replace(
        invoice, status="uncollectible", uncollectible_at=at, auto_advance=False
    )
    world.invoices.put(after)
    _tell(world, after, at, "invoice.marked_uncollectible")
    return after


def lines_now(world: World, invoice: Invoice) -> tuple[Line, ...]:
    """Give the lines: a draft's follow the usage, until it is final."""
    if invoice.finalized_at is not None:
        return invoice.lines
    return lines_of(world, invoice.id, invoice.customer, invoice.billed)


def shown(world: World, invoice: Invoice) -> Json:
    """Give the invoice object."""
    return render(world, invoice, lines_now(world, invoice))


def _collected(world: World, invoice: Invoice, at: datetime) -> Invoice:
    subscription = world.subscriptions.get(invoice.subscription)
    paused = _PAUSED.get(_paused(subscription, at) or "")
    if paused == "void":
        return voided(world, invoice, at)
    if paused == "uncollectible":
        return uncollectible(world, invoice, at)
    if amount_due(total_of(invoice.lines), invoice.starting_balance) == 0:
        return paid(world, invoice, at)
    if invoice.collection_method != "charge_automatically" or not invoice.auto_advance:
        return invoice
    if subscription.status == "past_due":
        _tell(world, invoice, at, "invoice.payment_failed")
        return invoice
    return paid(world, invoice, at)


def _paused(subscription: Subscription, at: datetime) -> str | None:
    resumes = subscription.resumes_at
    if resumes is not None and resumes <= at:
        return None
    return subscription.pause_behavior


def _tell(world: World, invoice: Invoice, at: datetime, *event_types: str) -> None:
    snapshot = shown(world, invoice)
    for each in event_types:
        world.events.emit(each, snapshot, at=at)
