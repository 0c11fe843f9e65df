"""`/v1/prices`."""

from __future__ import annotations

import re
from dataclasses import replace

from meterdeck.core.local_stripe import price_schemas as schemas
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.price_rules import recurring_of, tiers_of, unit_of
from meterdeck.core.local_stripe.price_view import render
from meterdeck.core.local_stripe.records import Amount, Price, Product
from meterdeck.core.local_stripe.refusals import invalid, missing_param, rejected
from meterdeck.core.local_stripe.schema import EXPAND, Section
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/prices"
_CURRENCY = re.compile(r"[a-z]{3}")


def build(world: World, sent: Parameters, product_id: str) -> Price:
    """Give the price a request describes; nothing is stored."""
    currency = sent.required_text("currency").lower()
    if not _CURRENCY.fullmatch(currency):
        raise invalid(f"Invalid currency: {currency}.", sent.path("currency"))
    recurring = recurring_of(world, sent)
    tiered = sent.text("billing_scheme") == "tiered"
    package = sent.section("transform_quantity")
    tiers = tiers_of(sent) if tiered else ()
    unit = Amount(cents=None) if tiered else unit_of(sent)
    now = world.now()
    return Price(
        id=world.ids.dated("price", now),
        created=now,
        product=product_id,
        currency=currency,
        unit=unit,
        active=sent.flag("active") is not False,
        recurring=recurring,
        tiers=tiers,
        tiers_mode=sent.text("tiers_mode"),
        divide_by=package and package.integer("divide_by"),
        round_to=package and package.text("round"),
        nickname=sent.text("nickname"),
        tax_behavior=sent.text("tax_behavior") or "unspecified",
        metadata=merged({}, sent),
    )


def store(world: World, price: Price) -> Json:
    """Store a new price and tell of it."""
    world.prices.put(price)
    if price.lookup_key is not None:
        world.price_of_lookup_key[price.lookup_key] = price.id
    world.events.emit("price.created", render(price))
    return render(price)


def create(world: World, call: Call) -> Json:
    """Create a price for a product, which `product_data` makes on the way."""
    sent = call.parameters
    product, is_new = _product(world, sent)
    price = build(world, sent, product.id)
    lookup_key = _claimed_lookup_key(world, sent, price)
    if is_new:
        world.products.put(product)
    return store(world, replace(price, lookup_key=lookup_key))


def retrieve(world: World, call: Call) -> Json:
    """Give one price."""
    return render(world.prices.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change names and whether it is active; amounts never change."""
    before = world.prices.get(call.id)
    sent = call.parameters
    active = sent.flag("active")
    product = world.products.get(before.product)
    if active is False and product.default_price == before.id:
        raise rejected(
            "This price cannot be archived because it is the default price of its"
            " product.",
            "active",
        )
    lookup_key = _claimed_lookup_key(world, sent, before) or before.lookup_key
    after = replace(
        before,
        active=before.active if active is None else active,
        lookup_key=lookup_key,
        metadata=merged(before.metadata, sent),
        nickname=sent.text("nickname") or before.nickname,
        tax_behavior=sent.text("tax_behavior") or before.tax_behavior,
    )
    world.prices.put(after)
    if after.lookup_key is not None:
        world.price_of_lookup_key[after.lookup_key] = after.id
    world.events.emit("price.updated", render(after), render(before))
    return render(after)


def list_(world: World, call: Call) -> Json:
    """List prices, newest first."""
    sent = call.parameters
    keys = sent.strings("lookup_keys")
    of = sent.section("recurring") or Parameters({})

    def keep(price: Price) -> bool:
        recurring = price.recurring
        kind = "recurring" if recurring else "one_time"
        return (
            sent.flag("active") in {None, price.active}
            and sent.text("currency") in {None, price.currency}
            and sent.text("product") in {None, price.product}
            and sent.text("type") in {None, kind}
            and (not keys or price.lookup_key in keys)
            and of.text("interval") in {None, recurring and recurring.interval}
            and of.text("meter") in {None, recurring and recurring.meter}
            and of.text("usage_type") in {None, recurring and recurring.usage_type}
            and in_range(seconds(price.created), sent, "created")
        )

    return page_of(world.prices, sent, url=_URL, keep=keep, render=render)


def _product(world: World, sent: Parameters) -> tuple[Product, bool]:
    product_id, data = sent.text("product"), sent.section("product_data")
    if product_id is not None and data is not None:
        raise invalid(
            "You may only specify one of these parameters: product, product_data."
        )
    if product_id is not None:
        return world.products.get(product_id, "product"), False
    if data is None:
        raise missing_param("product")
    now = world.now()
    return Product(
        id=data.text("id") or world.ids.short("prod"),
        created=now,
        updated=now,
        name=data.required_text("name"),
        active=data.flag("active") is not False,
        metadata=merged({}, data),
        statement_descriptor=data.text("statement_descriptor"),
        tax_code=data.text("tax_code"),
        unit_label=data.text("unit_label"),
    ), True


def _claimed_lookup_key(world: World, sent: Parameters, price: Price) -> str | None:
    """Give the lookup key, taken from its present price where that was asked."""
    key = sent.text("lookup_key")
    owner_id = world.price_of_lookup_key.get(key) if key is not None else None
    if owner_id is None or owner_id == price.id:
        return key
    if not sent.flag("transfer_lookup_key"):
        raise rejected(
            f"A price (`{owner_id}`) already uses that lookup key.", "lookup_key"
        )
    owner = world.prices.get(owner_id)
    stripped = replace(owner, lookup_key=None)
    world.prices.put(stripped)
    world.events.emit("price.updated", render(stripped), render(owner))
    return key


OPERATIONS = (
    Operation("POST", _URL, create, schemas.CREATE),
    Operation("GET", _URL, list_, schemas.LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, schemas.UPDATE),
)
