"""`meterdeck catalogue`: what Stripe sells, as it stands."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping

from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.prices import PriceInfo, ProductInfo, Tiered
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.catalogue_form import account_form
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Output, Row, Tone, note
from meterdeck.tui.phrases import counted
from meterdeck.tui.price_words import form_words, interval_words, tier_lines


def run(args: Namespace) -> int:
    """Show the account's meters, products and prices."""
    return run_call(args, _show)


async def _show(call: Call) -> int:
    account = await call.engine.catalogue.account()
    shown = account if call.args.all else _active(account)
    if call.out.as_json:
        call.out.object({**context_form(call.context), **account_form(shown)})
        return 0
    names = {meter.id: meter.event_name for meter in account.meters}
    _table(call.out, "METERS", map(_meter, sorted(shown.meters, key=_by_event)))
    products = {product.id: product for product in account.products}
    _table(call.out, "PRODUCTS", map(_product, sorted(shown.products, key=_by_name)))
    prices = sorted(shown.prices, key=lambda each: _by_product(each, products))
    rows = (row for price in prices for row in _price(price, products, names))
    _table(call.out, "PRICES", rows)
    _tell_hidden(account, shown)
    return 0


def _active(account: Account) -> Account:
    return Account(
        tuple(each for each in account.meters if each.active),
        tuple(each for each in account.products if each.active),
        tuple(each for each in account.prices if each.active),
    )


def _table(out: Output, title: str, rows: Iterable[Row]) -> None:
    found = list(rows)
    if not found:
        out.line(Cell(title, Tone.BOLD), "  none")
        return
    out.line(Cell(title, Tone.BOLD))
    out.table(found, indent=2)


def _meter(meter: MeterInfo) -> Row:
    window = f" of each {meter.event_time_window}" if meter.event_time_window else ""
    return (
        Cell(meter.event_name, firm=True),
        meter.display_name,
        f"{meter.formula} of {meter.value_key}{window}",
        _state(meter.active, "inactive"),
        Cell(meter.id, Tone.FAINT),
    )


def _product(product: ProductInfo) -> Row:
    return (
        Cell(product.id, firm=True),
        product.name,
        product.unit_label,
        _state(product.active, "archived"),
    )


def _price(
    price: PriceInfo, products: Mapping[str, ProductInfo], meters: Mapping[str, str]
) -> Iterator[Row]:
    product = products.get(price.product_id)
    tiered = price.form if isinstance(price.form, Tiered) else None
    words = form_words(price.form, price.currency, metered=price.metered)
    yield (
        Cell(price.lookup_key or "-", firm=True),
        tiered.mode if tiered else words,
        interval_words(price.interval, price.interval_count),
        meters.get(price.meter_id, price.meter_id) or "no meter",
        product.name if product else price.product_id,
        _state(price.active, "archived"),
        Cell(price.id, Tone.FAINT),
    )
    for tier in tier_lines(tiered, price.currency) if tiered else ():
        yield "", f"  {tier}"


def _state(active: bool, otherwise: str) -> Cell:
    return Cell("active", Tone.GOOD) if active else Cell(otherwise, Tone.FAINT)


def _by_event(meter: MeterInfo) -> tuple[bool, str]:
    return not meter.active, meter.event_name


def _by_name(product: ProductInfo) -> tuple[bool, str, str]:
    return not product.active, product.name, product.id


def _by_product(
    price: PriceInfo, products: Mapping[str, ProductInfo]
) -> tuple[str, bool, str, str]:
    product = products.get(price.product_id)
    name = product.name if product else ""
    return name, not price.active, price.lookup_key, price.id


def _tell_hidden(account: Account, shown: Account) -> None:
    hidden = {
        "meter": len(account.meters) - len(shown.meters),
        "product": len(account.products) - len(shown.products),
        "price": len(account.prices) - len(shown.prices),
    }
    words = ", ".join(counted(count, what) for what, count in hidden.items() if count)
    if words:
        note(f"not shown, as inactive: {words}; to see them add --all")
