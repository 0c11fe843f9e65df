"""`expand[]`: ids replaced by their objects, hidden fields shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from meterdeck.core.local_stripe import (
    clock_rules,
    credit_grants,
    credit_transactions,
    customers,
    invoice_life,
    meters,
    price_view,
    products,
)
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, invalid
from meterdeck.core.local_stripe.subscription_view import render as subscription_view
from meterdeck.core.local_stripe.wire import Json, in_wire_order
from meterdeck.core.local_stripe.world import World

MOST_LEVELS = 4
_TRANSACTION = "credit_balance_transaction"
_PAYMENTS = "/v1/invoices/payments"
_Loader: TypeAlias = Callable[[World, Json], object]


def expand(world: World, answer: Json, paths: list[str]) -> Json:
    """Give the answer with every path expanded.

    Raises:
        LocalStripeRefusal: A path names nothing that can be expanded.
    """
    for path in paths:
        segments = path.split(".")
        if len([each for each in segments if each != "data"]) > MOST_LEVELS:
            raise invalid(
                f"You cannot expand more than {MOST_LEVELS} levels of a property:"
                f" {path}",
                "expand",
            )
        answer = _expanded(world, answer, segments, path)
    return answer


def _expanded(
    world: World, node: Json, segments: list[str], path: str, within: str = ""
) -> Json:
    """Expand below a node; a group that is no object is named by its path."""
    key, rest = segments[0], segments[1:]
    kind = str(node.get("object") or within)
    loader = _LOADERS.get((kind, key))
    if loader is not None and not isinstance(node.get(key), dict):
        node = in_wire_order({**node, key: loader(world, node)})
    elif key not in node or (not rest and isinstance(node[key], str | int)):
        raise _not_expandable(path)
    if rest:
        below = _below(world, node[key], rest, path, f"{kind}.{key}")
        node = {**node, key: below}
    return node


def _below(
    world: World, value: object, rest: list[str], path: str, within: str
) -> object:
    if isinstance(value, list):
        return [_below(world, each, rest, path, within) for each in value]
    if isinstance(value, dict):
        return _expanded(world, value, rest, path, within)
    if value is None:
        return None
    raise _not_expandable(path)


def _not_expandable(path: str) -> LocalStripeRefusal:
    return invalid(f"This property cannot be expanded ({path}).", "expand")


def _customer(world: World, node: Json) -> Json:
    return customers.render(world.customers.get(str(node["customer"])))


def _credit_grant(world: World, node: Json) -> Json:
    return credit_grants.render(
        world, world.credit_grants.get(str(node["credit_grant"]))
    )


def _meter(world: World, node: Json) -> Json:
    return meters.render(world.meters.get(str(node["meter"])))


def _product(world: World, node: Json) -> Json:
    return products.render(world.products.get(str(node["product"])))


def _default_price(world: World, node: Json) -> Json | None:
    price_id = node["default_price"]
    return (
        None if price_id is None else price_view.render(world.prices.get(str(price_id)))
    )


def _tiers(world: World, node: Json) -> list[Json] | None:
    price = world.prices.get(str(node["id"]))
    return price_view.render_tiers(price) if price.tiers else None


def _currency_options(world: World, node: Json) -> Json:
    return price_view.render_currency_options(world.prices.get(str(node["id"])))


def _tax(world: World, node: Json) -> Json:
    """Give what Stripe, asked about a customer without an address, answered."""
    return {
        "automatic_tax": "unrecognized_location",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    }


def _invoice_credit_balance(world: World, node: Json) -> Json:
    balance = node["balance"]
    return {str(node["currency"] or "usd"): balance} if balance else {}


def _nothing_of_customer(name: str) -> _Loader:
    """Give the loader of a customer's list that is always empty here."""

    def load(world: World, node: Json) -> Json:
        return {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/customers/{node['id']}/{name}",
        }

    return load


def _latest_invoice(world: World, node: Json) -> Json | None:
    invoice_id = node["latest_invoice"]
    if invoice_id is None:
        return None
    return invoice_life.shown(world, world.invoices.get(str(invoice_id)))


def _subscription(world: World, node: Json) -> Json:
    return subscription_view(world, world.subscriptions.get(str(node["subscription"])))


def _price(world: World, node: Json) -> Json:
    return price_view.render(world.prices.get(str(node["price"])))


def _credit_transaction(world: World, node: Json) -> Json | None:
    entry = node[_TRANSACTION]
    if entry is None:
        return None
    return credit_transactions.render(world, world.credit_transactions.get(str(entry)))


def _confirmation_secret(world: World, node: Json) -> None:
    """Give nothing: there are no payment intents here."""


def _payments(world: World, node: Json) -> Json:
    """Give an invoice's payments, of which nothing is kept here."""
    return {"object": "list", "data": [], "has_more": False, "url": _PAYMENTS}


def _test_clock(world: World, node: Json) -> Json | None:
    clock_id = node["test_clock"]
    if clock_id is None:
        return None
    clock = world.test_clocks.find(str(clock_id))
    if clock is None:
        return {"id": clock_id, "object": clock_rules.OBJECT, "deleted": True}
    return clock_rules.render(clock)


def _subscriptions(world: World, node: Json) -> Json:
    customer_id = str(node["id"])
    running = [
        subscription_view(world, each)
        for each in reversed(world.subscriptions.grouped(customer_id))
        if not each.ended
    ]
    return {
        "object": "list",
        "data": running[:10],
        "has_more": len(running) > 10,
        "total_count": len(running),
        "url": f"/v1/customers/{customer_id}/subscriptions",
    }


def _total_count(world: World, node: Json) -> object:
    """Give what a search that was asked for it has counted."""
    return node.get("total_count")


_LOADERS: dict[tuple[str, str], _Loader] = {
    ("billing.alert.usage_threshold", "meter"): _meter,
    ("billing.alert.usage_threshold.filters", "customer"): _customer,
    ("billing.credit_balance_summary", "customer"): _customer,
    ("billing.credit_balance_transaction", "credit_grant"): _credit_grant,
    ("billing.credit_grant", "customer"): _customer,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("invoice", "customer"): _customer,
    ("invoice", "payments"): _payments,
    ("invoice.parent.subscription_details", "subscription"): _subscription,
    ("line_item.pricing.price_details", "price"): _price,
    ("line_item.pretax_credit_amounts", _TRANSACTION): _credit_transaction,
    ("invoice.total_pretax_credit_amounts", _TRANSACTION): _credit_transaction,
    ("subscription", "customer"): _customer,
    ("subscription", "latest_invoice"): _latest_invoice,
    ("customer", "test_clock"): _test_clock,
    ("invoice", "test_clock"): _test_clock,
    ("subscription", "test_clock"): _test_clock,
    ("price", "product"): _product,
    ("plan", "product"): _product,
    ("price", "currency_options"): _currency_options,
    ("price", "tiers"): _tiers,
    ("plan", "tiers"): _tiers,
    ("product", "default_price"): _default_price,
    ("customer", "invoice_credit_balance"): _invoice_credit_balance,
    ("customer", "sources"): _nothing_of_customer("sources"),
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax"): _tax,
    ("customer", "tax_ids"): _nothing_of_customer("tax_ids"),
    ("search_result", "total_count"): _total_count,
}
