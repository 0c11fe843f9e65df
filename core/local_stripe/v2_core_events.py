"""`/v2/core/events`: late error reports, and what destinations of thin events get."""

from __future__ import annotations

from itertools import islice
from urllib.parse import urlencode

from meterdeck.core.local_stripe import thin_twins
from meterdeck.core.local_stripe.error_reports import ThinEvent
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.push_records import ThinTwin
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.schema import Integer, Kind, ListOf, Section, Text
from meterdeck.core.local_stripe.wire import Json, rfc3339
from meterdeck.core.local_stripe.world import World

_URL = "/v2/core/events"
_BOUNDS: dict[str, Kind] = dict.fromkeys(("gt", "gte", "lt", "lte"), Text())
_LIST = Section(
    {
        "created": Section(_BOUNDS),
        "limit": Integer(1, 100),
        "object_id": Text(),
        "page": Text(),
        "types": ListOf(Text(), 20),
    }
)


def retrieve(world: World, call: Call) -> Json:
    """Give one event with its data."""
    event = _found(world, call.id)
    if event is None:
        raise LocalStripeRefusal(
            f"Event not found: {call.id}", status=404, code="not_found", kind=""
        )
    return event


def notification(world: World, event_id: str) -> Json | None:
    """Give the event as it is pushed, without its data; None when there is none."""
    event = _found(world, event_id)
    if event is None:
        return None
    return {key: value for key, value in event.items() if key != "data"}


def list_(world: World, call: Call) -> Json:
    """List events, newest first; `page` is the id the page before ended with."""
    sent = call.parameters
    types, of = sent.strings("types"), sent.text("object_id")
    bounds = sent.section("created")

    def keep(event: ThinEvent | ThinTwin) -> bool:
        created = rfc3339(event.created)
        after = bounds is None or (
            created > (bounds.text("gt") or "")
            and created >= (bounds.text("gte") or "")
            and created < (bounds.text("lt") or "~")
            and created <= (bounds.text("lte") or "~")
        )
        return (
            after
            and (not types or event.type in types)
            and of in {None, _subject(event)}
        )

    newest = _newest_first(world)
    page = sent.text("page")
    ids = [each.id for each in newest]
    start = ids.index(page) + 1 if page in ids else 0
    limit = sent.integer("limit") or 20
    found = list(islice(filter(keep, newest[start:]), limit + 1))
    more = len(found) > limit
    next_url = _next_url(sent, found[limit - 1].id, limit) if more else None
    return {
        "data": [_render(each) for each in found[:limit]],
        "next_page_url": next_url,
        "previous_page_url": None,
    }


def _found(world: World, event_id: str) -> Json | None:
    report = world.reports.find(event_id, world.now())
    event = report or world.thin_twins.find(event_id)
    return None if event is None else _render(event)


def _newest_first(world: World) -> list[ThinEvent | ThinTwin]:
    events = [*world.thin_twins, *world.reports.published(world.now())]
    return sorted(events, key=lambda each: each.created)[::-1]


def _render(event: ThinEvent | ThinTwin) -> Json:
    return event.render() if isinstance(event, ThinEvent) else thin_twins.render(event)


def _subject(event: ThinEvent | ThinTwin) -> str | None:
    return event.meter if isinstance(event, ThinEvent) else event.related_id


def _next_url(sent: Parameters, page: str, limit: int) -> str:
    """Give the address of the next page: it asks for the same kind of events."""
    query = [("limit", str(limit)), ("page", page)]
    query += [(f"types[{n}]", each) for n, each in enumerate(sent.strings("types"))]
    query += [("object_id", each) for each in [sent.text("object_id")] if each]
    created = sent.section("created") or Parameters({})
    bounds = ((name, created.text(name)) for name in _BOUNDS)
    query += [(f"created[{name}]", bound) for name, bound in bounds if bound]
    return f"{_URL}?{urlencode(query)}"


OPERATIONS = (
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve),
)
