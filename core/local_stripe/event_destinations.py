"""`/v2/core/event_destinations`: URLs that thin events, or snapshots, are pushed to."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from meterdeck.core.local_stripe import thin_twins
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.push_records import EventDestination, ThinTwin
from meterdeck.core.local_stripe.refusals import (
    LocalStripeRefusal,
    invalid,
    missing_param,
    unsupported_param,
)
from meterdeck.core.local_stripe.schema import (
    METADATA,
    Integer,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.webhook_endpoints import checked_url
from meterdeck.core.local_stripe.wire import API_VERSION, Json, rfc3339
from meterdeck.core.local_stripe.world import World

_URL = "/v2/core/event_destinations"
_SECRET, _ADDRESS = "webhook_endpoint.signing_secret", "webhook_endpoint.url"
_INCLUDE: dict[str, Kind] = {"include": ListOf(Text(choices=(_ADDRESS,)))}
_FIELDS: dict[str, Kind] = {
    "description": Text(),
    "enabled_events": ListOf(Text(200), 500),
    "metadata": METADATA,
    "name": Text(),
    "webhook_endpoint": Section({"url": Text()}, required=("url",)),
}
_CREATE = Section(
    {
        **_FIELDS,
        "amazon_eventbridge": Unsupported(),
        "azure_event_grid": Unsupported(),
        "event_payload": Text(choices=("snapshot", "thin")),
        "events_from": ListOf(Text()),
        "include": ListOf(Text(choices=(_SECRET, _ADDRESS))),
        "snapshot_api_version": Text(),
        "type": Text(
            choices=("amazon_eventbridge", "azure_event_grid", "webhook_endpoint")
        ),
    },
    required=("enabled_events", "event_payload", "name", "type"),
)
_UPDATE = Section({**_FIELDS, **_INCLUDE})
_LIST = Section({**_INCLUDE, "limit": Integer(1, 100), "page": Text()})


def render(destination: EventDestination, include: list[str]) -> Json:
    """Give the v2.core.event_destination object and what was asked to be included."""
    disabled = {"disabled": {"reason": "user"}} if destination.disabled else None
    return {
        "id": destination.id,
        "object": "v2.core.event_destination",
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": rfc3339(destination.created),
        "description": destination.description,
        "enabled_events": list(destination.enabled_events),
        "event_payload": "thin" if destination.thin else "snapshot",
        "events_from": ["@self"],
        "livemode": False,
        "metadata": dict(destination.metadata),
        "name": destination.name,
        "snapshot_api_version": destination.snapshot_api_version,
        "status": "disabled" if destination.disabled else "enabled",
        "status_details": disabled,
        "type": "webhook_endpoint",
        "updated": rfc3339(destination.updated),
        "webhook_endpoint": {
            "signing_secret": destination.secret if _SECRET in include else None,
            "url": destination.url if _ADDRESS in include else None,
        },
    }


def create(world: World, call: Call) -> Json:
    """Register a URL; its secret is told only here, and only if asked for."""
    sent = call.parameters
    _check_supported(sent)
    now = world.now()
    url = _url(sent)
    if url is None:
        raise missing_param("webhook_endpoint")
    destination = EventDestination(
        id=world.ids.v2("ed"),
        created=now,
        updated=now,
        name=sent.required_text("name"),
        url=url,
        secret=world.ids.secret(),
        enabled_events=_events(sent),
        thin=sent.text("event_payload") == "thin",
        snapshot_api_version=_version(sent),
        description=sent.text("description") or "",
        metadata=sent.texts("metadata"),
    )
    world.event_destinations.put(destination)
    return render(destination, sent.strings("include"))


def retrieve(world: World, call: Call) -> Json:
    """Give one destination."""
    return render(_found(world, call.id), call.parameters.strings("include"))


def update(world: World, call: Call) -> Json:
    """Change what was sent and nothing else."""
    before = _found(world, call.id)
    sent = call.parameters
    events = before.enabled_events
    description = sent.text("description")
    after = replace(
        before,
        description=before.description if description is None else description,
        enabled_events=_events(sent) if "enabled_events" in sent else events,
        metadata=sent.texts("metadata") if "metadata" in sent else before.metadata,
        name=sent.text("name") or before.name,
        updated=world.now(),
        url=_url(sent) or before.url,
    )
    world.event_destinations.put(after)
    return render(after, sent.strings("include"))


def delete(world: World, call: Call) -> Json:
    """Forget a destination; nothing more is sent there."""
    destination = _found(world, call.id)
    world.event_destinations.drop(destination.id)
    return {"id": destination.id, "object": "v2.core.event_destination"}


def disable(world: World, call: Call) -> Json:
    """Send nothing there for now; what was planned is dropped."""
    return _switched(world, call, disabled=True)


def enable(world: World, call: Call) -> Json:
    """Send there again what happens from now on."""
    return _switched(world, call, disabled=False)


def ping(world: World, call: Call) -> Json:
    """Push a thin event of no meaning there, whatever it asked for."""
    destination = _found(world, call.id)
    event = ThinTwin(
        id=world.ids.v2_event(),
        created=world.now(),
        type="v2.core.event_destination.ping",
        related_id=destination.id,
        related_type="v2.core.event_destination",
        related_url=f"{_URL}/{destination.id}",
        snapshot_event=None,
        request_id=call.caller.request_id,
        idempotency_key=call.caller.idempotency_key,
    )
    world.thin_twins.put(event)
    world.outbox.put(event.id, destination.id, event.created)
    return thin_twins.render(event)


def list_(world: World, call: Call) -> Json:
    """List destinations, newest first."""
    sent = call.parameters
    page = sent.text("page")
    limit = sent.integer("limit") or 20
    after = None if page is None else _found(world, page).id
    newest = world.event_destinations.newest_first(after=after)
    found = list(islice(newest, limit + 1))
    more = len(found) > limit
    include = sent.strings("include")
    following = f"{_URL}?limit={limit}&page={found[limit - 1].id}" if more else None
    return {
        "data": [render(each, include) for each in found[:limit]],
        "next_page_url": following,
        "previous_page_url": None,
    }


def _found(world: World, destination_id: str) -> EventDestination:
    found = world.event_destinations.find(destination_id)
    if found is None:
        raise LocalStripeRefusal(
            f"Event destination not found: {destination_id}",
            status=404,
            code="not_found",
            kind="",
        )
    return found


def _switched(world: World, call: Call, *, disabled: bool) -> Json:
    before = _found(world, call.id)
    after = replace(before, disabled=disabled, updated=world.now())
    world.event_destinations.put(after)
    return render(after, [])


def _check_supported(sent: Parameters) -> None:
    if sent.text("type") != "webhook_endpoint":
        raise unsupported_param("type")
    if sent.strings("events_from") not in ([], ["@self"]):
        raise unsupported_param("events_from")


def _version(sent: Parameters) -> str | None:
    version = sent.text("snapshot_api_version")
    if sent.text("event_payload") != "thin":
        return version or API_VERSION
    if version is not None:
        raise invalid("Thin events have no API version.", "snapshot_api_version")
    return None


def _url(sent: Parameters) -> str | None:
    endpoint = sent.section("webhook_endpoint")
    if endpoint is None:
        return None
    return checked_url(endpoint.required_text("url"), endpoint.path("url"))


def _events(sent: Parameters) -> tuple[str, ...]:
    named = sent.strings("enabled_events")
    if not named:
        raise invalid("enabled_events must not be empty.", "enabled_events")
    return tuple(dict.fromkeys(named))


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(_INCLUDE)),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("DELETE", f"{_URL}/{{}}", delete),
    Operation("POST", f"{_URL}/{{}}/disable", disable),
    Operation("POST", f"{_URL}/{{}}/enable", enable),
    Operation("POST", f"{_URL}/{{}}/ping", ping),
)
