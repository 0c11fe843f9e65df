"""`/v1/subscription_items`: create, update and delete, as updates of subscriptions."""

from __future__ import annotations

from meterdeck.core.local_stripe import subscription_schemas as schemas
from meterdeck.core.local_stripe import subscriptions
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Subscription
from meterdeck.core.local_stripe.subscription_items import retrieve
from meterdeck.core.local_stripe.subscription_view import render_item
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

_URL = "/v1/subscription_items"


def create(world: World, call: Call) -> Json:
    """Add an item to a subscription."""
    subscription_id = call.parameters.required_text("subscription")
    world.subscriptions.get(subscription_id, "subscription")
    after = _changed(world, subscription_id, call, {})
    return render_item(world, after.items[-1], after)


def update(world: World, call: Call) -> Json:
    """Change an item's price, quantity or metadata."""
    owner = str(retrieve(world, call)["subscription"])
    _changed(world, owner, call, {"id": call.id})
    return retrieve(world, call)


def delete(world: World, call: Call) -> Json:
    """Take an item off its subscription; not the last one."""
    owner = str(retrieve(world, call)["subscription"])
    _changed(world, owner, call, {"id": call.id, "deleted": True})
    return {"id": call.id, "object": "subscription_item", "deleted": True}


def _changed(
    world: World, subscription_id: str, call: Call, item: dict[str, object]
) -> Subscription:
    """Update the subscription by one item."""
    items = [call.parameters.naming(item)]
    sent = Call(Parameters({"items": items}), (subscription_id,), call.caller)
    subscriptions.update(world, sent)
    return world.subscriptions.get(subscription_id)


OPERATIONS = (
    Operation("POST", _URL, create, schemas.CREATE_ITEM),
    Operation("POST", f"{_URL}/{{}}", update, schemas.UPDATE_ITEM),
    Operation("DELETE", f"{_URL}/{{}}", delete, schemas.DELETE_ITEM),
)
