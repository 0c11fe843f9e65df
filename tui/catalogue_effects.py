"""What follows from ending a meter or a price, and from taking that back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meterdeck.core.model.catalogue import PriceUsers
from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight, price_name
from meterdeck.core.model.usage import Resource
from meterdeck.tui import phrases


def effects(
    seen: MeterSight | PriceSight, resources: Iterable[Resource]
) -> Iterator[str]:
    """Yield what follows from ending it, or from taking that back, a sentence each.

    Args:
        resources: Of the context: those the meter is fed by are named.
    """
    if isinstance(seen, PriceSight):
        yield from _of_price(seen)
        return
    meter = seen.meter
    prices = [each for each in seen.prices if each.price.active]
    if not meter.active:
        yield f"events named {meter.event_name} are taken again, from now on"
        yield "what was refused meanwhile is not counted; letters can be replayed"
        return
    yield f"Stripe refuses every event named {meter.event_name} from then on"
    if prices:
        names = ", ".join(price_name(each.price) for each in prices[:3])
        more = f" and {len(prices) - 3} more" if len(prices) > 3 else ""
        count = phrases.counted(len(prices), "active price")
        yield f"{count} will bill no new usage: {names}{more}"
    yield f"{_affected(seen.users)} a price of it"
    fed = [r.label for r in resources if r.meter == meter.event_name]
    if fed:
        yield f"{', '.join(fed)}: counters go on, their events become letters"
    yield "the event name stays its own for good; it can be reactivated"


def _of_price(seen: PriceSight) -> Iterator[str]:
    if not seen.price.active:
        yield "new subscriptions can have it again"
        yield "nothing changes for those who have it"
        return
    yield "no new subscription can have it"
    users = seen.users
    if users is None or users.subscriptions:
        yield f"{_affected(users)} it, keep it and are billed by it as before"
    if seen.price.lookup_key:
        yield "it keeps its lookup key until another price takes that over"


def _affected(users: PriceUsers | None) -> str:
    if users is None:
        return "it is not known yet how many tenants have"
    if not users.subscriptions:
        return "no tenant has"
    count = phrases.counted(users.subscriptions, "tenant")
    verb = "has" if users.subscriptions == 1 else "have"
    return f"{'more than ' if users.more else ''}{count} {verb}"
