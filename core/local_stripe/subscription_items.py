"""The items of subscriptions: which prices fit, and `/v1/subscription_items`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe.billing_cycle import Period
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import cursors_of, limit_of, list_object
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.prices import build as build_price
from meterdeck.core.local_stripe.prices import store as store_price
from meterdeck.core.local_stripe.records import Item, Price, Recurring
from meterdeck.core.local_stripe.refusals import (
    invalid,
    missing_param,
    no_such,
    rejected,
)
from meterdeck.core.local_stripe.schema import EXPAND, PAGE, Section, Text
from meterdeck.core.local_stripe.subscription_view import render_item
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

_URL = "/v1/subscription_items"
_LIST = Section({"subscription": Text(), **PAGE}, required=("subscription",))


def new_item(world: World, sent: Parameters, at: datetime) -> Item:
    """Give the item a request describes; its period is still empty."""
    price = price_of(world, sent)
    return Item(
        id=world.ids.short("si"),
        created=at,
        price=price.id,
        quantity=quantity_of(sent, price, 1),
        period_start=at,
        period_end=at,
        metadata=merged({}, sent),
    )


def price_of(world: World, sent: Parameters) -> Price:
    """Give the active recurring price that was sent, or refuse.

    `plan` is its old name; `price_data` makes one for this item alone.
    """
    named = [key for key in ("price", "plan", "price_data") if key in sent]
    if not named:
        raise missing_param(sent.path("price"))
    if len(named) > 1:
        raise invalid(
            f"You may only specify one of these parameters: {', '.join(named)}."
        )
    data = sent.section("price_data")
    if data is not None:
        return _inline_price(world, data)
    price_id, path = sent.required_text(named[0]), sent.path(named[0])
    price = world.prices.get(price_id, path)
    if not price.active:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.",
            path,
        )
    if price.recurring is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts"
            " prices with `type=recurring`.",
            path,
        )
    return price


def _inline_price(world: World, data: Parameters) -> Price:
    product = world.products.get(data.required_text("product"), data.path("product"))
    price = replace(build_price(world, data, product.id), active=False)
    store_price(world, price)
    return price


def quantity_of(sent: Parameters, price: Price, default: int) -> int | None:
    """Give the quantity; a metered price takes none."""
    quantity = sent.integer("quantity")
    metered = price.recurring is not None and price.recurring.metered
    if metered and quantity is not None:
        raise invalid(
            "Quantity should not be specified where usage_type is `metered`."
            f" Remove quantity from `{sent.name or 'the item'}`",
            sent.path("quantity"),
        )
    if metered:
        return None
    return default if quantity is None else quantity


def changed(
    world: World, before: tuple[Item, ...], sent: list[Parameters], at: datetime
) -> tuple[Item, ...]:
    """Give the items after an update; sent ones without an id are new."""
    items = {item.id: item for item in before}
    for each in sent:
        item_id = each.text("id")
        if item_id is None:
            item = new_item(world, each, at)
            items[item.id] = item
        elif item_id not in items:
            raise no_such("subscription item", item_id, each.path("id"))
        elif each.flag("deleted"):
            del items[item_id]
        else:
            items[item_id] = _changed_item(world, items[item_id], each)
    if not items:
        raise rejected(
            "A subscription must have at least one active plan. In order to cancel a"
            " subscription, please use the cancellation API endpoint."
        )
    return tuple(items.values())


def check_together(
    world: World, items: tuple[Item, ...], mode: str, sent: Parameters | None = None
) -> str:
    """Give the items' currency, or refuse items that cannot be sold together.

    The currency that was `sent`, if any, must be the prices'.
    """
    prices = [world.prices.get(item.price) for item in items]
    expected = (sent and sent.text("currency")) or prices[0].currency
    seen: set[str] = set()
    for price in prices:
        if price.id in seen:
            raise rejected(
                f"Cannot add multiple subscription items with the same plan: {price.id}"
            )
        seen.add(price.id)
        if price.currency != expected.lower():
            raise rejected(
                f"The price specified only supports `{price.currency}`. This doesn't"
                f" match the expected currency: `{expected.lower()}`."
            )
    rhythms = {(each.interval, each.interval_count) for each in map(recurring, prices)}
    if mode == "classic" and len(rhythms) > 1:
        raise rejected(
            "Currently, all plans on a subscription with billing_mode `classic` must"
            " have the same billing interval."
        )
    return prices[0].currency


def recurring(price: Price) -> Recurring:
    """Give the rhythm of a price that is on a subscription."""
    if price.recurring is None:
        raise AssertionError(f"{price.id} is on a subscription without a rhythm")
    return price.recurring


def in_period(item: Item, period: Period) -> Item:
    """Give the item moved to a period, of which all usage is billed at its price."""
    if (item.period_start, item.period_end) == (period.start, period.end):
        return item
    return replace(
        item, period_start=period.start, period_end=period.end, usage_from=None
    )


def retrieve(world: World, call: Call) -> Json:
    """Give one item."""
    subscription_id = world.subscription_of_item.get(call.id)
    if subscription_id is None:
        raise no_such("subscription item", call.id)
    subscription = world.subscriptions.get(subscription_id)
    for item in subscription.items:
        if item.id == call.id:
            return render_item(world, item, subscription)
    raise no_such("subscription item", call.id)


def list_(world: World, call: Call) -> Json:
    """List one subscription's items; there are at most 20, newest last."""
    sent = call.parameters
    subscription = world.subscriptions.get(
        sent.required_text("subscription"), "subscription"
    )
    items, limit = subscription.items, limit_of(sent)
    after, before = cursors_of(sent)
    if before is not None:
        items = items[: _place(items, before, "ending_before")]
        page = items[-limit:]
    else:
        first = 0 if after is None else _place(items, after, "starting_after") + 1
        items = items[first:]
        page = items[:limit]
    data = [render_item(world, item, subscription) for item in page]
    return list_object(data, has_more=len(items) > limit, url=_URL)


def _place(items: tuple[Item, ...], cursor: str, param: str) -> int:
    for place, item in enumerate(items):
        if item.id == cursor:
            return place
    raise no_such("subscription item", cursor, param)


def _changed_item(world: World, item: Item, sent: Parameters) -> Item:
    price = world.prices.get(item.price)
    named = sent.text("price") or sent.text("plan")
    if "price_data" in sent or named not in {None, item.price}:
        price = price_of(world, sent)
    return replace(
        item,
        price=price.id,
        quantity=quantity_of(sent, price, item.quantity or 1),
        metadata=merged(item.metadata, sent),
    )


OPERATIONS = (
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
)
