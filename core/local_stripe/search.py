"""`…/search` of customers, invoices, prices, products and subscriptions.

What was just written is found at once; Stripe takes up to a minute.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from meterdeck.core.local_stripe import (
    customers,
    invoice_life,
    price_view,
    products,
    subscription_view,
)
from meterdeck.core.local_stripe.collection import Collection, Record
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import limit_of
from meterdeck.core.local_stripe.records import Customer
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, invalid
from meterdeck.core.local_stripe.schema import EXPAND, Integer, Section, Text
from meterdeck.core.local_stripe.search_query import Clause, Query, parse
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

T = TypeVar("T", bound=Record)

_SCHEMA = Section(
    {"limit": Integer(1, 100), "page": Text(), "query": Text(), **EXPAND},
    required=("query",),
)
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "customers": {
        "created": "numeric",
        "email": "string",
        "metadata": "token",
        "name": "string",
        "phone": "string",
    },
    "invoices": {
        "created": "numeric",
        "currency": "token",
        "customer": "token",
        "metadata": "token",
        "number": "string",
        "status": "token",
        "subscription": "token",
        "total": "numeric",
    },
    "prices": {
        "active": "token",
        "currency": "token",
        "lookup_key": "string",
        "metadata": "token",
        "product": "string",
        "type": "token",
    },
    "products": {
        "active": "token",
        "description": "string",
        "metadata": "token",
        "name": "string",
        "shippable": "token",
        "url": "string",
    },
    "subscriptions": {
        "canceled_at": "numeric",
        "created": "numeric",
        "metadata": "token",
        "status": "token",
    },
}


def search_customers(world: World, call: Call) -> Json:
    """Search the customers that were not deleted."""

    def render(customer: Customer) -> Json | None:
        return None if customer.deleted else customers.render(customer)

    return _found("customers", call, world.customers, render)


def search_invoices(world: World, call: Call) -> Json:
    """Search invoices; drafts as they are now."""
    return _found(
        "invoices", call, world.invoices, lambda each: invoice_life.shown(world, each)
    )


def search_prices(world: World, call: Call) -> Json:
    """Search prices."""
    return _found("prices", call, world.prices, price_view.render)


def search_products(world: World, call: Call) -> Json:
    """Search products."""
    return _found("products", call, world.products, products.render)


def search_subscriptions(world: World, call: Call) -> Json:
    """Search subscriptions, canceled ones too."""
    return _found(
        "subscriptions",
        call,
        world.subscriptions,
        lambda each: subscription_view.render(world, each),
    )


def _found(
    resource: str,
    call: Call,
    collection: Collection[T],
    render: Callable[[T], Json | None],
) -> Json:
    """Give a page, newest first; it begins where the page before it ended.

    What `render` gives None for is not found.
    """
    sent = call.parameters
    query = parse(sent.required_text("query"), _FIELDS[resource], resource)

    def matching(after: str | None) -> Iterator[Json]:
        shown = map(render, collection.newest_first(after=after))
        return (each for each in shown if each is not None and _matches(query, each))

    page, limit = sent.text("page"), limit_of(sent)
    after = None if page is None else _last_of(page)
    if after is not None and not collection.knows(after):
        raise _bad_page(str(page))
    data = list(islice(matching(after), limit + 1))
    more = len(data) > limit
    answer: Json = {
        "object": "search_result",
        "data": data[:limit],
        "has_more": more,
        "next_page": _token(str(data[limit - 1]["id"])) if more else None,
    }
    if "total_count" in sent.strings("expand"):
        answer["total_count"] = sum(1 for _ in matching(None))
    return {**answer, "url": f"/v1/{resource}/search"}


def _matches(query: Query, found: Json) -> bool:
    test = any if query.any_of else all
    return test(each.holds(_value(each, found)) for each in query.clauses)


def _value(clause: Clause, found: Json) -> object:
    value = found.get(clause.field)
    if clause.field == "subscription":
        # Invoices have it inside their parent since 2025-03-31.basil.
        value = _inside(_inside(found, "parent"), "subscription_details").get(
            clause.field
        )
    return value if clause.key is None else _inside(found, "metadata").get(clause.key)


def _inside(found: Json, key: str) -> Json:
    group = found.get(key)
    return group if isinstance(group, dict) else {}


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _last_of(page: str) -> str:
    padded = page + "=" * (-len(page) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _bad_page(page) from error


def _bad_page(page: str) -> LocalStripeRefusal:
    return invalid(f"{page} is an invalid page.", "page")


_HANDLERS: Mapping[str, Callable[[World, Call], Json]] = {
    "customers": search_customers,
    "invoices": search_invoices,
    "prices": search_prices,
    "products": search_products,
    "subscriptions": search_subscriptions,
}
OPERATIONS = tuple(
    Operation("GET", f"/v1/{resource}/search", handler, _SCHEMA)
    for resource, handler in _HANDLERS.items()
)
