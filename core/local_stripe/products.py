"""`/v1/products`."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe import prices
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.price_schemas import OF_NEW_PRODUCT
from meterdeck.core.local_stripe.records import Product
from meterdeck.core.local_stripe.refusals import no_such, rejected
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    TIME_RANGE,
    Flag,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/products"
_CLEARABLE = Text(clearable=True)
_FIELDS: dict[str, Kind] = {
    "active": Flag(),
    "description": _CLEARABLE,
    "images": ListOf(Text(), 8),
    "marketing_features": ListOf(Section({"name": Text(80)}, ("name",)), 15),
    "metadata": METADATA,
    "name": Text(250),
    "package_dimensions": Unsupported(),
    "shippable": Flag(),
    "statement_descriptor": Text(22, clearable=True),
    "tax_code": _CLEARABLE,
    "tax_details": Unsupported(),
    "unit_label": Text(12, clearable=True),
    "url": _CLEARABLE,
    **EXPAND,
}
_TYPE = Text(choices=("good", "service"))
_CREATE = Section(
    {
        **_FIELDS,
        "default_price_data": OF_NEW_PRODUCT,
        "id": Text(),
        "type": _TYPE,
    },
    required=("name",),
)
_UPDATE = Section({**_FIELDS, "default_price": Text()})
_LIST = Section(
    {
        "active": Flag(),
        "created": TIME_RANGE,
        "ids": ListOf(Text()),
        "shippable": Flag(),
        "type": _TYPE,
        "url": Text(),
        **PAGE,
    }
)


def render(product: Product) -> Json:
    """Give the product object."""
    return {
        "id": product.id,
        "object": "product",
        "active": product.active,
        "created": seconds(product.created),
        "default_price": product.default_price,
        "description": product.description,
        "images": list(product.images),
        "livemode": False,
        "marketing_features": [{"name": each} for each in product.features],
        "metadata": dict(product.metadata),
        "name": product.name,
        "package_dimensions": None,
        "shippable": product.shippable,
        "statement_descriptor": product.statement_descriptor,
        "tax_code": product.tax_code,
        "type": product.type,
        "unit_label": product.unit_label,
        "updated": seconds(product.updated),
        "url": product.url,
    }


def create(world: World, call: Call) -> Json:
    """Create a product, and with `default_price_data` its first price."""
    sent = call.parameters
    product_id = sent.text("id") or world.ids.short("prod")
    if product_id in world.products:
        raise rejected("Product already exists.", "id", "resource_already_exists")
    now = world.now()
    product = _written(
        Product(id=product_id, created=now, updated=now, name=""), sent, world
    )
    price = None
    if default_price := sent.section("default_price_data"):
        # Built before the product is stored: a bad price leaves nothing behind.
        price = prices.build(world, default_price, product_id)
        product = replace(product, default_price=price.id)
    world.products.put(product)
    world.events.emit("product.created", render(product))
    if price is not None:
        prices.store(world, price)
    return render(product)


def retrieve(world: World, call: Call) -> Json:
    """Give one product."""
    return render(world.products.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change what was sent and nothing else."""
    before = world.products.get(call.id)
    after = _written(before, call.parameters, world)
    default = call.parameters.text("default_price")
    if default is not None:
        price = world.prices.get(default, "default_price")
        if price.product != before.id:
            raise no_such("price", default, "default_price")
        after = replace(after, default_price=default)
    world.products.put(after)
    world.events.emit("product.updated", render(after), render(before))
    return render(after)


def delete(world: World, call: Call) -> Json:
    """Delete a product that has no price."""
    product = world.products.get(call.id)
    if world.prices.grouped(product.id):
        raise rejected(
            "This product cannot be deleted because it has one or more user-created"
            " prices."
        )
    world.products.drop(product.id)
    world.events.emit("product.deleted", render(product))
    return {"id": product.id, "object": "product", "deleted": True}


def list_(world: World, call: Call) -> Json:
    """List products, newest first."""
    sent = call.parameters
    ids = sent.strings("ids")
    tests = {key: sent.flag(key) for key in ("active", "shippable")}

    def keep(product: Product) -> bool:
        return (
            (not ids or product.id in ids)
            and (tests["active"] is None or product.active == tests["active"])
            and tests["shippable"] in {None, product.shippable}
            and sent.text("type") in {None, product.type}
            and sent.text("url") in {None, product.url}
            and in_range(seconds(product.created), sent, "created")
        )

    return page_of(world.products, sent, url=_URL, keep=keep, render=render)


def _written(before: Product, sent: Parameters, world: World) -> Product:
    active, shippable = sent.flag("active"), sent.flag("shippable")
    images, features = before.images, before.features
    if "images" in sent:
        images = tuple(sent.strings("images"))
    if "marketing_features" in sent:
        named = sent.sections("marketing_features")
        features = tuple(each.required_text("name") for each in named)
    texts = ("description", "statement_descriptor", "tax_code", "unit_label", "url")
    kept: dict[str, str | None] = {
        key: sent.text(key) if key in sent else getattr(before, key) for key in texts
    }
    return replace(
        before,
        active=before.active if active is None else active,
        description=kept["description"],
        features=features,
        images=images,
        metadata=merged(before.metadata, sent),
        name=sent.text("name") or before.name,
        shippable=before.shippable if shippable is None else shippable,
        statement_descriptor=kept["statement_descriptor"],
        tax_code=kept["tax_code"],
        type=sent.text("type") or before.type,
        unit_label=kept["unit_label"],
        updated=world.now(),
        url=kept["url"],
    )


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("DELETE", f"{_URL}/{{}}", delete),
)
