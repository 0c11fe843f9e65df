"""The JSON forms of costs. Amounts are decimal texts in the currency's main unit."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.billed import InvoicePreview
from meterdeck.core.model.costs import CurrencyTotal, ItemCost, TenantCost
from meterdeck.core.model.money import Money, decimals_of, plain
from meterdeck.core.model.pricing import Bill
from meterdeck.tui.cli.json_form import Form, moment


def cost_form(cost: TenantCost) -> Form:
    """Return what the running period costs."""
    return {
        "at": moment(cost.at),
        "subscription": cost.subscription or None,
        "problem": cost.problem or None,
        "notes": list(cost.notes),
        "items": [_item(each) for each in cost.items],
        "totals": [_total(each) for each in cost.totals],
    }


def preview_form(preview: InvoicePreview, cost: TenantCost) -> Form:
    """Return Stripe's preview beside what was reckoned."""
    reckoned = {each.so_far.currency: each.so_far for each in cost.totals}
    ours = reckoned.get(preview.currency)
    subtotal = Money.of_minor(preview.subtotal, preview.currency)
    return {
        "currency": preview.currency,
        "subtotal": _money(subtotal),
        "total": _money(Money.of_minor(preview.total, preview.currency)),
        "amount_due": _money(Money.of_minor(preview.due, preview.currency)),
        "equal": ours is not None and ours.minor == preview.subtotal,
        "by_price": {
            price: _money(Money.of_minor(amount, preview.currency))
            for price, amount in preview.by_price.items()
        },
    }


def _item(item: ItemCost) -> Form:
    price, currency = item.item.price, item.currency
    forecast = item.forecast
    return {
        "label": item.label,
        "price": price.id or None,
        "lookup_key": price.lookup_key or None,
        "currency": currency,
        "resources": list(item.resources),
        "event_name": item.event_name or None,
        "unit": item.unit or None,
        "period": {"start": moment(item.item.start), "end": moment(item.item.end)},
        "quantity": _number(item.measured.quantity),
        "basis": item.measured.basis.value,
        "so_far": _bill(item.so_far, currency),
        "forecast": None
        if forecast is None
        else {
            "quantity": _number(forecast.quantity),
            "basis": forecast.basis.value,
            **(_bill(item.at_end, currency) or {}),
        },
        "next_unit": _money(item.next_unit),
        "next_thousand": _money(item.next_thousand),
        "average": _money(item.average),
        "problem": item.problem or None,
        "notes": [*item.measured.notes, *item.notes],
    }


def _bill(bill: Bill | None, currency: str) -> Form | None:
    if bill is None:
        return None
    return {
        "amount": _money(Money.of_minor(bill.total, currency)),
        "exact": _money(Money.of_minor(bill.exact, currency)),
        "lines": [
            {
                "quantity": _number(line.quantity),
                "unit_amount": _money(Money.of_minor(line.unit, currency)),
                "flat": line.flat,
                "amount": _money(Money.of_minor(line.amount, currency)),
            }
            for line in bill.lines
        ],
    }


def _total(total: CurrencyTotal) -> Form:
    return {
        "currency": total.so_far.currency,
        "so_far": _money(total.so_far),
        "at_end": _money(total.at_end),
        "unknown": total.unknown,
    }


def _money(money: Money | None) -> str | None:
    if money is None:
        return None
    return plain(money.amount, decimals_of(money.currency))


def _number(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)
