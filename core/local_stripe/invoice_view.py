"""The invoice and line_item objects."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterdeck.core.local_stripe import customer_invoicing
from meterdeck.core.local_stripe.invoice_records import AppliedCredit, Invoice, Line
from meterdeck.core.local_stripe.records import Amount, Customer
from meterdeck.core.local_stripe.wire import Json, in_wire_order, seconds
from meterdeck.core.local_stripe.world import World
from meterdeck.core.model.money import plain

# What the sandbox does not model; shared by all answers, so never changed in place.
_SAME_FOR_ALL: Json = {
    "object": "invoice",
    "account_country": "US",
    "account_name": "meterdeck sandbox",
    "amount_overpaid": 0,
    "amount_shipping": 0,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "customer_tax_ids": [],
    "default_tax_rates": [],
    "discounts": [],
    "issuer": {"type": "self"},
    "livemode": False,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "total_discount_amounts": [],
    "total_taxes": [],
    **dict.fromkeys(
        (
            "account_tax_ids",
            "application",
            "customer_account",
            "default_payment_method",
            "default_source",
            "from_invoice",
            "hosted_invoice_url",
            "invoice_pdf",
            "last_finalization_error",
            "latest_revision",
            "on_behalf_of",
            "receipt_number",
            "rendering",
            "shipping_cost",
            "shipping_details",
            "statement_descriptor",
        )
    ),
}


def render(world: World, invoice: Invoice, lines: tuple[Line, ...]) -> Json:
    """Give the invoice with its first ten lines."""
    customer = invoice.billed_to or world.customers.get(invoice.customer)
    return in_wire_order(
        {
            **_SAME_FOR_ALL,
            **_terms(invoice),
            **_amounts(invoice, lines, customer.balance),
            **_customer(customer),
            "test_clock": customer.test_clock,
            "lines": render_lines(invoice, lines),
        }
    )


def render_lines(invoice: Invoice, lines: tuple[Line, ...]) -> Json:
    """Give the list of lines inside an invoice; nobody can page a preview's."""
    shown = lines if invoice.billing_reason == "upcoming" else lines[:10]
    return {
        "object": "list",
        "data": [render_line(invoice, line) for line in shown],
        "has_more": len(lines) > len(shown),
        "total_count": len(lines),
        "url": f"/v1/invoices/{invoice.id}/lines",
    }


def render_line(invoice: Invoice, line: Line) -> Json:
    """Give the line of one price, or of one tier of it."""
    return {
        "id": line.id,
        "object": "line_item",
        "amount": line.amount,
        "currency": invoice.currency,
        "description": line.description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice.id,
        "livemode": False,
        "metadata": dict(line.billed.metadata),
        "parent": _line_parent(invoice, line),
        "period": {
            "end": seconds(line.billed.end),
            "start": seconds(line.billed.start),
        },
        "pretax_credit_amounts": [_credit(each) for each in line.credits],
        "pricing": {
            "price_details": {"price": line.billed.price, "product": line.product},
            "type": "price_details",
            "unit_amount_decimal": Amount(cents=line.unit).exact,
        },
        "quantity": int(line.quantity),
        "quantity_decimal": plain(line.quantity),
        "subtotal": line.amount,
        "taxes": [],
    }


def _line_parent(invoice: Invoice, line: Line) -> Json:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": invoice.subscription or None,
            "subscription_item": line.billed.item,
        },
        "type": "subscription_item_details",
    }


def _terms(invoice: Invoice) -> Json:
    attempt = invoice.collection_method == "charge_automatically"
    waiting = invoice.status == "draft" and attempt
    return {
        "id": invoice.id,
        "attempted": invoice.paid_at is not None,
        "auto_advance": invoice.auto_advance,
        "automatically_finalizes_at": _time(invoice.finalizes_at),
        "billing_reason": invoice.billing_reason,
        "collection_method": invoice.collection_method,
        "created": seconds(invoice.created),
        "currency": invoice.currency,
        "description": invoice.description,
        "due_date": _due_date(invoice),
        "effective_at": _time(invoice.finalized_at),
        "metadata": dict(invoice.metadata),
        "next_payment_attempt": _time(invoice.finalizes_at) if waiting else None,
        "number": invoice.number,
        "parent": _parent(invoice),
        "period_end": seconds(invoice.period_end),
        "period_start": seconds(invoice.period_start),
        "status": invoice.status,
        "status_transitions": {
            "finalized_at": _time(invoice.finalized_at),
            "marked_uncollectible_at": _time(invoice.uncollectible_at),
            "paid_at": _time(invoice.paid_at),
            "voided_at": _time(invoice.voided_at),
        },
        "webhooks_delivered_at": seconds(invoice.created),
    }


def _parent(invoice: Invoice) -> Json | None:
    if not invoice.subscription:
        return None
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(invoice.subscription_metadata),
            "subscription": invoice.subscription,
        },
        "type": "subscription_details",
    }


def _amounts(invoice: Invoice, lines: tuple[Line, ...], balance: int) -> Json:
    subtotal = sum(line.amount for line in lines)
    credits = [each for line in lines for each in line.credits]
    total = total_of(lines)
    starting = balance if invoice.finalized_at is None else invoice.starting_balance
    due = amount_due(total, starting)
    paid = due if invoice.paid_at is not None else 0
    return {
        "attempt_count": int(paid > 0),
        "amount_due": due,
        "amount_paid": paid,
        "amount_remaining": due - paid,
        "ending_balance": None
        if invoice.finalized_at is None
        else total + starting - due,
        "starting_balance": starting,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [_credit(each) for each in credits],
    }


def total_of(lines: tuple[Line, ...]) -> int:
    """Give what the lines come to, less the credits that pay them."""
    return sum(
        line.amount - sum(each.amount for each in line.credits) for line in lines
    )


def amount_due(total: int, starting_balance: int) -> int:
    """Give what is left to pay; a negative balance is the customer's credit."""
    return max(total + starting_balance, 0)


def _credit(credit: AppliedCredit) -> Json:
    return {
        "amount": credit.amount,
        "credit_balance_transaction": credit.transaction,
        "type": "credit_balance_transaction",
    }


def _customer(customer: Customer) -> Json:
    settings = customer_invoicing.render(customer)
    return {
        "custom_fields": settings["custom_fields"],
        "footer": settings["footer"],
        "customer": customer.id,
        "customer_address": customer.address,
        "customer_email": customer.email,
        "customer_name": customer.name,
        "customer_phone": customer.phone,
        "customer_shipping": customer.shipping,
        "customer_tax_exempt": customer.tax_exempt,
    }


def _due_date(invoice: Invoice) -> int | None:
    if invoice.collection_method == "charge_automatically":
        return None
    days = timedelta(days=invoice.days_until_due or 0)
    return seconds((invoice.finalized_at or invoice.created) + days)


def _time(moment: datetime | None) -> int | None:
    return None if moment is None else seconds(moment)
