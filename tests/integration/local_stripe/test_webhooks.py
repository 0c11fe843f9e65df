"""Pushes of events: signed as SDKs check it, tried again, troubled on purpose."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import stripe
from tests.support.metering import until
from tests.support.stripe_account import Clock, Seller
from tests.support.webhook_sink import Sink, webhook_sink

from meterdeck.core.adapters.http_server import HttpServer
from meterdeck.core.adapters.webhook_app import webhook_app
from meterdeck.core.local_stripe import (
    LocalStripe,
    LocalStripeRefusal,
    LocalStripeServer,
)
from meterdeck.core.local_stripe.push_switches import PushSwitches
from meterdeck.core.model.context import Secret
from meterdeck.core.model.destinations import Notification


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """A receiver of pushes."""
    async with webhook_sink() as receiver:
        yield receiver


def endpoint(local: LocalStripe, sink: Sink, *events: str, **more: object) -> Any:
    """Register the receiver for snapshot events."""
    params = {"url": f"{sink.url}/snapshots", "enabled_events": events or ("*",)}
    return local.call("POST", "/v1/webhook_endpoints", {**params, **more})


def destination(local: LocalStripe, url: str, *events: str) -> Any:
    """Register a URL for thin events."""
    return local.call(
        "POST",
        "/v2/core/event_destinations",
        {
            "name": "Thin",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": events or ("*",),
            "webhook_endpoint": {"url": url},
            "include": ["webhook_endpoint.signing_secret"],
        },
    )


def newest_event(local: LocalStripe, **filters: object) -> Any:
    """Give the newest event that passes, None without one."""
    page: Any = local.call("GET", "/v1/events", filters)
    return page["data"][0] if page["data"] else None


def attempts(local: LocalStripe) -> int:
    """Give how often anything was tried; no answer tells it."""
    return sum(each.attempts for each in local._world.deliveries)


def names(sink: Sink) -> list[str]:
    """Give the customers' names of the pushes, in the order of arrival."""
    bodies = [json.loads(push.body) for push in sink.pushes]
    return [body["data"]["object"]["name"] for body in bodies]


async def test_the_sdk_takes_a_pushed_snapshot(
    server: LocalStripeServer, local: LocalStripe, seller: Seller, sink: Sink
) -> None:
    """Its signature holds; until it is answered the event has a pending webhook."""
    secret = endpoint(local, sink)["secret"]
    customer = seller.customer("Acme")
    before = newest_event(local, delivery_success=False)
    await until(lambda: newest_event(local, delivery_success=True) is not None)

    [push] = sink.pushes
    event = stripe.Webhook.construct_event(push.body, push.signature, secret)

    assert (event.type, event.data.object["id"]) == ("customer.created", customer)
    assert (event.id, event.pending_webhooks) == (before["id"], 1)
    assert newest_event(local)["pending_webhooks"] == 0
    assert newest_event(local, delivery_success=False) is None
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(push.body, push.signature, "whsec_other")


async def test_a_test_clocks_events_are_pushed_at_once(
    server: LocalStripeServer, local: LocalStripe, seller: Seller, sink: Sink
) -> None:
    """Though they are of the future."""
    endpoint(local, sink, "customer.created")
    asked = {"frozen_time": 1_900_000_000}
    made = local.call("POST", "/v1/test_helpers/test_clocks", asked)
    seller.customer("From 2030", test_clock=made["id"])

    await until(lambda: names(sink) == ["From 2030"])


async def test_the_sdk_takes_a_pushed_late_error_report(
    server: LocalStripeServer,
    local: LocalStripe,
    seller: Seller,
    clock: Clock,
    sink: Sink,
) -> None:
    """Sent when its window closed, without a request and without its data."""
    report = "v1.billing.meter.error_report_triggered"
    thin = destination(local, f"{sink.url}/thin", report)
    meter = seller.meter()
    seller.event("cus_nobody", "1")
    clock.move(seconds=15)
    await until(lambda: len(sink.pushes) == 1)

    [push] = sink.pushes
    client = stripe.StripeClient("sk_test_sandbox")
    secret = thin["webhook_endpoint"]["signing_secret"]
    notification = client.parse_event_notification(push.body, push.signature, secret)

    assert isinstance(
        notification,
        stripe.events.V1BillingMeterErrorReportTriggeredEventNotification,
    )
    assert notification.related_object.id == meter
    assert "data" not in json.loads(push.body)
    whole: Any = local.call("GET", f"/v2/core/events/{notification.id}", {})
    assert whole["data"]["reason"]["error_count"] == 1


async def test_our_worker_takes_a_pushed_thin_event(
    server: LocalStripeServer, local: LocalStripe, seller: Seller
) -> None:
    """What the worker is told leads to the event, and that to what changed."""
    told: list[Notification] = []

    async def handler(notification: Notification) -> None:
        told.append(notification)

    app = webhook_app(Secret(local.forwarding_secret), handler)
    async with HttpServer(app, host="127.0.0.1", port=0, named="worker") as worker:
        local.forward(f"{worker.base_url}/stripe", thin=True)
        customer = seller.customer()
        await until(lambda: len(told) == 1)

    [notification] = told
    event: Any = local.call("GET", f"/v2/core/events/{notification.id}", {})
    listed: Any = local.call("GET", "/v2/core/events", {"object_id": customer})
    assert notification.type == "v1.customer.created"
    assert event["related_object"]["url"] == f"/v1/customers/{customer}"
    assert event["snapshot_event"] == newest_event(local)["id"]
    assert listed["data"] == [event]


async def test_a_push_is_tried_again_until_it_is_taken(
    server: LocalStripeServer,
    local: LocalStripe,
    seller: Seller,
    clock: Clock,
    sink: Sink,
) -> None:
    """After a second, five, thirty of the account's clock; a redirect is no 2xx."""
    sink.answers = [500, 307, 404]
    endpoint(local, sink)
    seller.customer()
    for tries, wait_s in ((1, 1), (2, 5), (3, 30)):
        await until(lambda: attempts(local) == tries)  # noqa: B023  # at once
        assert newest_event(local)["pending_webhooks"] == 1
        clock.move(seconds=wait_s)
    await until(lambda: newest_event(local)["pending_webhooks"] == 0)

    assert len({push.body for push in sink.pushes}) == 1
    assert len(sink.pushes) == 4


async def test_a_push_that_nobody_takes_is_given_up(
    server: LocalStripeServer, local: LocalStripe, clock: Clock, seller: Seller
) -> None:
    """It stays undelivered; what comes after it is delivered all the same."""
    gone = "http://127.0.0.1:1/gone"
    local.call("POST", "/v1/webhook_endpoints", {"url": gone, "enabled_events": ["*"]})
    seller.customer()
    for tries in range(1, 7):
        await until(lambda: attempts(local) == tries)  # noqa: B023  # at once
        clock.move(hours=1)

    assert [each.next_at for each in local._world.deliveries] == [None]
    assert newest_event(local, delivery_success=False)["pending_webhooks"] == 1


async def test_pushes_arrive_in_order_unless_they_are_not_to(
    http: aiohttp.ClientSession, local: LocalStripe, seller: Seller, sink: Sink
) -> None:
    """The newest first, one lost although it counts as delivered, one twice."""
    url = "/_sandbox/pushes"
    endpoint(local, sink)
    for name in ("a", "b", "c"):
        seller.customer(name)
    await until(lambda: newest_event(local, delivery_success=False) is None)
    in_order = names(sink)
    sink.pushes.clear()

    changes = {"out_of_order": True, "drop_next": 1, "duplicate_next": 1}
    async with http.post(url, json=changes) as changed:
        assert await changed.json() == changes
    async with http.post(url, json={"drop_next": -1}) as refused:
        assert refused.status == 400
    for name in ("d", "e", "f"):
        seller.customer(name)
    await until(lambda: newest_event(local, delivery_success=False) is None)

    assert in_order == ["a", "b", "c"]
    assert names(sink) == ["e", "e", "d"]
    assert local.pushes == PushSwitches(out_of_order=True)


def test_only_the_creation_of_an_endpoint_tells_its_secret(local: LocalStripe) -> None:
    """The SDK's keys in the wire's order; updates change what was sent."""
    sink = Sink("http://127.0.0.1:9")
    made = endpoint(local, sink, "customer.created", metadata={"a": "1"})
    url = f"/v1/webhook_endpoints/{made['id']}"

    read = local.call("GET", url, {})
    changed = local.call("POST", url, {"disabled": True, "enabled_events": ["*"]})
    listed = local.call("GET", "/v1/webhook_endpoints", {})
    local.call("DELETE", url, {})

    assert list(made) == [
        *("id", "object", "api_version", "application", "created", "description"),
        *("enabled_events", "livemode", "metadata", "secret", "status", "url"),
    ]
    assert made["secret"].startswith("whsec_")
    assert read == {key: value for key, value in made.items() if key != "secret"}
    assert changed == {**read, "status": "disabled", "enabled_events": ["*"]}
    assert listed["data"] == [changed]
    with pytest.raises(LocalStripeRefusal, match="No such webhook endpoint"):
        local.call("GET", url, {})
    with pytest.raises(LocalStripeRefusal, match="Invalid URL"):
        endpoint(local, Sink("ftp://example.com"))


async def test_an_endpoint_gets_what_it_asked_for_while_it_is_enabled(
    server: LocalStripeServer,
    local: LocalStripe,
    seller: Seller,
    clock: Clock,
    sink: Sink,
) -> None:
    """By type; a disabled or deleted one gets nothing, and no further try."""
    [one, other, gone] = [
        endpoint(local, sink, *events, url=f"{sink.url}/{path}")["id"]
        for path, events in (
            ("one", ["product.created"]),
            ("other", ["customer.created", "customer.updated"]),
            ("gone", ["*"]),
        )
    ]
    local.call("POST", f"/v1/webhook_endpoints/{other}", {"disabled": True})
    local.call("DELETE", f"/v1/webhook_endpoints/{gone}", {})

    seller.customer()
    unwanted = newest_event(local)
    sink.answers = [500]
    seller.product()
    await until(lambda: attempts(local) == 1)
    local.call("DELETE", f"/v1/webhook_endpoints/{one}", {})
    clock.move(hours=1)
    await until(lambda: newest_event(local)["pending_webhooks"] == 0)

    assert (unwanted["type"], unwanted["pending_webhooks"]) == ("customer.created", 0)
    assert [push.path for push in sink.pushes] == ["/one"]


async def test_a_hanging_receiver_neither_delays_answers_nor_the_end(
    local: LocalStripe, seller: Seller, sink: Sink
) -> None:
    """What was on its way is sent again by the next server."""
    sink.answers = [0]
    async with LocalStripeServer(local):
        endpoint(local, sink)
        seller.customer("Acme")
        await until(lambda: len(sink.pushes) == 1)
        assert newest_event(local)["pending_webhooks"] == 1
        ending = time.monotonic()
    took = time.monotonic() - ending
    async with LocalStripeServer(local):
        await until(lambda: newest_event(local)["pending_webhooks"] == 0)

    assert took < 5
    assert names(sink) == ["Acme", "Acme"]


async def test_the_sdk_manages_event_destinations(
    client: stripe.StripeClient, local: LocalStripe, sink: Sink
) -> None:
    """The secret only where it is asked for, at the creation; v2's errors."""
    made = destination(local, f"{sink.url}/thin", "v1.customer.created")
    service = client.v2.core.event_destinations

    read = await service.retrieve_async(made["id"])
    named = await service.update_async(
        made["id"], {"name": "New", "include": ["webhook_endpoint.url"]}
    )
    ping = await service.ping_async(made["id"])
    await until(lambda: len(sink.pushes) == 1)
    disabled = await service.disable_async(made["id"])
    [listed] = (await service.list_async()).data
    await service.delete_async(made["id"])

    assert made["webhook_endpoint"]["signing_secret"].startswith("whsec_")
    assert read.webhook_endpoint is not None
    assert read.webhook_endpoint.signing_secret is None
    assert named.webhook_endpoint is not None
    assert (named.name, named.webhook_endpoint.url) == ("New", f"{sink.url}/thin")
    assert (disabled.status, listed.status) == ("disabled", "disabled")
    assert json.loads(sink.pushes[0].body)["id"] == ping.id
    with pytest.raises(stripe.InvalidRequestError, match="not found"):
        await service.retrieve_async(made["id"])
