"""The lines of an invoice: usage and quantities times their prices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal

from meterdeck.core.local_stripe.invoice_amounts import Charge, charges
from meterdeck.core.local_stripe.invoice_records import Line
from meterdeck.core.local_stripe.records import Billed, Price, Product
from meterdeck.core.local_stripe.wire import seconds
from meterdeck.core.local_stripe.world import World
from meterdeck.core.model.money import Money, decimals_of, plain

_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
_ZERO = Decimal(0)


def lines_of(
    world: World, owner: str, customer: str, billed: Iterable[Billed]
) -> tuple[Line, ...]:
    """Give the lines as of now; `owner` is the invoice, from which their ids derive."""
    return tuple(
        line for each in billed for line in _lines(world, owner, customer, each)
    )


def usage_of(world: World, customer: str, price: Price, billed: Billed) -> Decimal:
    """Give the usage of a period, as far as it has become visible."""
    if price.recurring is None or price.recurring.meter is None:
        raise AssertionError(f"{price.id} bills usage without a meter")
    meter = world.meters.get(price.recurring.meter)
    totals = world.usage.totals(meter, customer, world.now())
    if totals is None:
        return _ZERO
    used = totals.aggregate(seconds(billed.start), seconds(billed.end))
    return _ZERO if used is None else used


def _lines(world: World, owner: str, customer: str, billed: Billed) -> Iterator[Line]:
    price = world.prices.get(billed.price)
    product = world.products.get(price.product)
    if billed.free:
        yield _trial(owner, billed, product)
        return
    if billed.quantity is None:
        quantity = usage_of(world, customer, price, billed)
    else:
        quantity = Decimal(billed.quantity)
    for place, charge in enumerate(charges(price, quantity)):
        yield Line(
            id=_line_id(owner, billed, place),
            billed=billed,
            product=product.id,
            description=_described(price, product, charge),
            quantity=charge.quantity,
            unit=charge.unit,
            amount=charge.amount,
        )


def _trial(owner: str, billed: Billed, product: Product) -> Line:
    quantity = Decimal(billed.quantity or 0)
    return Line(
        id=_line_id(owner, billed, 0),
        billed=billed,
        product=product.id,
        description=f"Free trial for {_counted(quantity, product)}",
        quantity=quantity,
        unit=_ZERO,
        amount=0,
    )


def _line_id(owner: str, billed: Billed, place: int) -> str:
    """Derive the id: a draft's line keeps it, however often it is reckoned."""
    name = f"{owner}|{billed.item}|{billed.price}|{seconds(billed.start)}|{place}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    return f"il_tmp_{digest}" if owner.startswith("upcoming") else f"il_1{digest}"


def _described(price: Price, product: Product, charge: Charge) -> str:
    """Write what Stripe prints: `10 user × Standard (Tier 1 at $0.10 / month)`."""
    amount = _money(charge.unit, price.currency)
    if price.divide_by is not None:
        amount = f"{amount} per {price.divide_by}"
    tier = f"Tier {charge.tier} " if charge.tier else ""
    what = product.name if charge.flat else _counted(charge.quantity, product)
    return f"{what} ({tier}at {amount} {_rhythm(price)})"


def _counted(quantity: Decimal, product: Product) -> str:
    label = f" {product.unit_label}" if product.unit_label else ""
    return f"{plain(quantity)}{label} × {product.name}"


def _money(minor: Decimal, currency: str) -> str:
    money = Money.of_minor(minor, currency)
    digits = plain(money.amount, decimals_of(currency))
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{digits}" if symbol else f"{digits} {currency.upper()}"


def _rhythm(price: Price) -> str:
    rhythm = price.recurring
    if rhythm is None:
        return ""
    if rhythm.interval_count == 1:
        return f"/ {rhythm.interval}"
    return f"every {rhythm.interval_count} {rhythm.interval}s"
