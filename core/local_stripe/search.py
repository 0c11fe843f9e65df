"""`…/search` of customers, prices, products and subscriptions.

What was just written is found at once; Stripe takes up to a minute.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import dropwhile, islice

from meterdeck.core.local_stripe import (
    customers,
    price_view,
    products,
    subscription_view,
)
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import limit_of
from meterdeck.core.local_stripe.records import Customer
from meterdeck.core.local_stripe.refusals import invalid
from meterdeck.core.local_stripe.schema import EXPAND, Integer, Section, Text
from meterdeck.core.local_stripe.search_query import Clause, Query, parse
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

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

    def keep(customer: Customer) -> bool:
        return not customer.deleted

    kept = filter(keep, world.customers.newest_first())
    return _found("customers", call, map(customers.render, kept))


def search_prices(world: World, call: Call) -> Json:
    """Search prices."""
    newest = world.prices.newest_first()
    return _found("prices", call, map(price_view.render, newest))


def search_products(world: World, call: Call) -> Json:
    """Search products."""
    newest = world.products.newest_first()
    return _found("products", call, map(products.render, newest))


def search_subscriptions(world: World, call: Call) -> Json:
    """Search subscriptions, canceled ones too."""
    newest = world.subscriptions.newest_first()
    rendered = (subscription_view.render(world, each) for each in newest)
    return _found("subscriptions", call, rendered)


def _found(resource: str, call: Call, objects: Iterable[Json]) -> Json:
    sent = call.parameters
    query = parse(sent.required_text("query"), _FIELDS[resource], resource)
    limit = limit_of(sent)
    matching: Iterator[Json] = (each for each in objects if _matches(query, each))
    counted = "total_count" in sent.strings("expand")
    if counted:
        matching = iter(everything := list(matching))
    page = sent.text("page")
    if page is not None:
        last = _last_of(page)
        matching = islice(dropwhile(lambda each: each["id"] != last, matching), 1, None)
    data = list(islice(matching, limit + 1))
    more = len(data) > limit
    answer: Json = {
        "object": "search_result",
        "data": data[:limit],
        "has_more": more,
        "next_page": _token(str(data[limit - 1]["id"])) if more else None,
    }
    if counted:
        answer["total_count"] = len(everything)
    return {**answer, "url": f"/v1/{resource}/search"}


def _matches(query: Query, found: Json) -> bool:
    test = any if query.any_of else all
    return test(each.holds(_value(each, found)) for each in query.clauses)


def _value(clause: Clause, found: Json) -> object:
    value = found.get(clause.field)
    if clause.key is None:
        return value
    return value.get(clause.key) if isinstance(value, dict) else None


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _last_of(page: str) -> str:
    padded = page + "=" * (-len(page) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise invalid(f"{page} is an invalid page.", "page") from error


_HANDLERS: Mapping[str, Callable[[World, Call], Json]] = {
    "customers": search_customers,
    "prices": search_prices,
    "products": search_products,
    "subscriptions": search_subscriptions,
}
OPERATIONS = tuple(
    Operation("GET", f"/v1/{resource}/search", handler, _SCHEMA)
    for resource, handler in _HANDLERS.items()
)
