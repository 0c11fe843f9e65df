"""`/v1/webhook_endpoints`: URLs that snapshot events are pushed to."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.push_records import WebhookEndpoint
from meterdeck.core.local_stripe.refusals import invalid, missing_param, rejected
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    Flag,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

MOST_ENDPOINTS = 16
_URL = "/v1/webhook_endpoints"
_FIELDS: dict[str, Kind] = {
    "description": Text(clearable=True),
    "enabled_events": ListOf(Text(200), 500),
    "metadata": METADATA,
    "url": Text(),
    **EXPAND,
}
_CREATE = Section(
    {**_FIELDS, "api_version": Text(), "connect": Unsupported()},
    required=("enabled_events", "url"),
)
_UPDATE = Section({**_FIELDS, "disabled": Flag()})
_LIST = Section(PAGE)


def render(endpoint: WebhookEndpoint) -> Json:
    """Give the webhook_endpoint object, without its secret."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": endpoint.api_version,
        "application": None,
        "created": seconds(endpoint.created),
        "description": endpoint.description,
        "enabled_events": list(endpoint.enabled_events),
        "livemode": False,
        "metadata": dict(endpoint.metadata),
        "status": "disabled" if endpoint.disabled else "enabled",
        "url": endpoint.url,
    }


def create(world: World, call: Call) -> Json:
    """Register a URL; only this answer has the secret."""
    sent = call.parameters
    if len(world.webhook_endpoints) >= MOST_ENDPOINTS:
        raise rejected(
            f"You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints."
        )
    now = world.now()
    endpoint = WebhookEndpoint(
        id=world.ids.dated("we", now),
        created=now,
        url=checked_url(sent.required_text("url"), "url"),
        secret=world.ids.secret(),
        enabled_events=_events(sent.strings("enabled_events")),
        api_version=sent.text("api_version"),
        description=sent.text("description"),
        metadata=merged({}, sent),
    )
    world.webhook_endpoints.put(endpoint)
    shown = render(endpoint)
    status, url = shown.pop("status"), shown.pop("url")
    return {**shown, "secret": endpoint.secret, "status": status, "url": url}


def retrieve(world: World, call: Call) -> Json:
    """Give one endpoint."""
    return render(world.webhook_endpoints.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change what was sent and nothing else."""
    before = world.webhook_endpoints.get(call.id)
    sent = call.parameters
    url, disabled = sent.text("url"), sent.flag("disabled")
    description = before.description
    if "description" in sent:
        description = sent.text("description")
    wanted = before.enabled_events
    if "enabled_events" in sent:
        wanted = _events(sent.strings("enabled_events"))
    after = replace(
        before,
        description=description,
        disabled=before.disabled if disabled is None else disabled,
        enabled_events=wanted,
        metadata=merged(before.metadata, sent),
        url=before.url if url is None else checked_url(url, "url"),
    )
    world.webhook_endpoints.put(after)
    return render(after)


def delete(world: World, call: Call) -> Json:
    """Forget an endpoint; nothing more is sent there."""
    endpoint = world.webhook_endpoints.get(call.id)
    world.webhook_endpoints.drop(endpoint.id)
    return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def list_(world: World, call: Call) -> Json:
    """List endpoints, newest first."""
    return page_of(
        world.webhook_endpoints,
        call.parameters,
        url=_URL,
        keep=lambda _: True,
        render=render,
    )


def checked_url(url: str, param: str) -> str:
    """Give a URL that can be pushed to, or refuse."""
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        reachable = reachable and (parts.port is None or parts.port > 0)
    except ValueError:
        reachable = False
    if not reachable:
        raise invalid(
            "Invalid URL: URL must be publicly accessible and begin with http or"
            " https.",
            param,
            "url_invalid",
        )
    return url


def _events(named: list[str]) -> tuple[str, ...]:
    if not named:
        raise missing_param("enabled_events")
    return tuple(dict.fromkeys(named))


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("DELETE", f"{_URL}/{{}}", delete),
)
