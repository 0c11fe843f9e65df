"""`/v1/billing/credit_balance_transactions`."""

from __future__ import annotations

from meterdeck.core.local_stripe.credit_records import CreditTransaction
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    PAGE,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/billing/credit_balance_transactions"
_LIST = Section(
    {
        "credit_grant": Text(),
        "customer": Text(),
        "customer_account": Unsupported(),
        **PAGE,
    }
)


def monetary(currency: str, value: int) -> Json:
    """Give an amount as credits show it."""
    return {"monetary": {"currency": currency, "value": value}, "type": "monetary"}


def render(world: World, entry: CreditTransaction) -> Json:
    """Give the billing.credit_balance_transaction object."""
    clock = world.clock_of(entry.customer)
    return {
        "id": entry.id,
        "object": "billing.credit_balance_transaction",
        "created": seconds(entry.created),
        "credit": _credit(entry) if entry.is_credit else None,
        "credit_grant": entry.grant,
        "debit": None if entry.is_credit else _debit(entry),
        "effective_at": seconds(entry.effective_at),
        "livemode": False,
        "test_clock": clock and clock.id,
        "type": "credit" if entry.is_credit else "debit",
    }


def retrieve(world: World, call: Call) -> Json:
    """Give one entry."""
    return render(world, world.credit_transactions.get(call.id))


def list_(world: World, call: Call) -> Json:
    """List entries, newest first, of a customer or of a grant."""
    sent = call.parameters
    customer, grant = sent.text("customer"), sent.text("credit_grant")
    if customer is not None:
        world.customers.get(customer, "customer")
    if grant is not None:
        world.credit_grants.get(grant, "credit_grant")

    def keep(entry: CreditTransaction) -> bool:
        return customer in {None, entry.customer} and grant in {None, entry.grant}

    return page_of(
        world.credit_transactions,
        sent,
        url=_URL,
        keep=keep,
        render=lambda each: render(world, each),
    )


def _credit(entry: CreditTransaction) -> Json:
    voided = entry.kind == "credits_application_invoice_voided"
    return {
        "amount": monetary(entry.currency, entry.value),
        "credits_application_invoice_voided": _invoice(entry) if voided else None,
        "type": entry.kind,
    }


def _debit(entry: CreditTransaction) -> Json:
    applied = entry.kind == "credits_applied"
    return {
        "amount": monetary(entry.currency, entry.value),
        "credits_applied": _invoice(entry) if applied else None,
        "type": entry.kind,
    }


def _invoice(entry: CreditTransaction) -> Json:
    return {
        "invoice": entry.invoice,
        "invoice_line_item": entry.invoice_line_item,
    }


OPERATIONS = (
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
)
