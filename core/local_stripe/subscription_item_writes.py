"""`/v1/subscription_items`: create, update and delete, as updates of subscriptions."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe import subscription_items as items_of
from meterdeck.core.local_stripe import subscription_schemas as schemas
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Subscription
from meterdeck.core.local_stripe.refusals import no_such, rejected
from meterdeck.core.local_stripe.renewal import placed
from meterdeck.core.local_stripe.subscription_view import render_item
from meterdeck.core.local_stripe.subscriptions import change
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

_URL = "/v1/subscription_items"


def create(world: World, call: Call) -> Json:
    """Add an item to a subscription."""
    subscription = world.subscriptions.get(
        call.parameters.required_text("subscription"), "subscription"
    )
    after = _with_items(world, subscription, call.parameters)
    return render_item(world, after.items[-1], after)


def update(world: World, call: Call) -> Json:
    """Change an item's price, quantity or metadata."""
    subscription = _owner(world, call.id)
    after = _with_items(world, subscription, call.parameters, call.id)
    [item] = [each for each in after.items if each.id == call.id]
    return render_item(world, item, after)


def delete(world: World, call: Call) -> Json:
    """Take an item off its subscription; not the last one."""
    subscription = _owner(world, call.id)
    _with_items(world, subscription, call.parameters, call.id, deleted=True)
    return {"id": call.id, "object": "subscription_item", "deleted": True}


def _with_items(
    world: World,
    before: Subscription,
    sent: Parameters,
    item_id: str | None = None,
    *,
    deleted: bool = False,
) -> Subscription:
    if before.ended:
        raise rejected(
            "A canceled subscription can only update its cancellation_details and"
            " metadata."
        )
    now = world.time_of(before.customer).replace(microsecond=0)
    edited = sent.naming(id=item_id, deleted=deleted)
    items = items_of.changed(world, before.items, [edited], now)
    items_of.check_together(world, items, before.billing_mode)
    after = placed(world, replace(before, items=items), now)
    return change(world, before, after, now)


def _owner(world: World, item_id: str) -> Subscription:
    subscription_id = world.subscription_of_item.get(item_id)
    if subscription_id is None:
        raise no_such("subscription item", item_id)
    return world.subscriptions.get(subscription_id)


OPERATIONS = (
    Operation("POST", _URL, create, schemas.CREATE_ITEM),
    Operation("POST", f"{_URL}/{{}}", update, schemas.UPDATE_ITEM),
    Operation("DELETE", f"{_URL}/{{}}", delete, schemas.DELETE_ITEM),
)
