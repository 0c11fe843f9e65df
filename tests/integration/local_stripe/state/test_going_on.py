"""What was under way when a local Stripe ended goes on in the next."""

from typing import Any

import httpx
import pytest
from tests.integration.local_stripe.state.account import (
    API_KEY,
    NOON,
    Open,
    post,
    rows_of,
)
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, event_log
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal


def test_the_oldest_events_are_forgotten_across_restarts(
    reopened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are kept, on disk too, where most were made by an earlier run."""
    monkeypatch.setattr(event_log, "EVENTS_KEPT", 4)
    for count in (7, 2):
        seller = Seller(reopened())
        made = [seller.customer() for _ in range(count)]

    found = rows_of(reopened(), "/v1/events")

    assert len(found) == 4
    assert [each["data"]["object"]["id"] for each in found[:2]] == made[::-1]


def test_identifiers_are_known_and_ids_are_new(reopened: Open, clock: Clock) -> None:
    """An event is counted once across restarts, and no id is made twice."""
    ids = set()
    for run in range(3):
        stripe = reopened()
        seller = Seller(stripe)
        if run == 0:
            seller.meter()
        ids |= {seller.customer(), seller.product()}
        seller.event(sorted(ids)[0], "1", identifier=f"run-{run}")
        for known in range(run + 1):
            with pytest.raises(LocalStripeRefusal, match="already exists"):
                seller.event(sorted(ids)[0], "1", identifier=f"run-{known}")
        account = stripe.call("GET", "/v1/account", {})["id"]
        ids.add(str(account))

    assert len(ids) == 7
    clock.move(hours=25)
    Seller(reopened()).event(sorted(ids)[0], "1", identifier="run-0")


async def test_an_idempotency_key_is_replayed_after_a_restart(
    reopened: Open, clock: Clock
) -> None:
    """The first answer comes again, byte for byte, and nothing is done again; a
    request that never ended runs anew."""
    key = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "k-1"}
    first = await post(reopened(), "/v1/customers", key, name="Acme")
    before = reopened()
    before._endpoint.keys.begin("running", "x", clock())
    Seller(before).customer("Other")

    after = reopened()
    again = await post(after, "/v1/customers", key, name="Acme")
    anew = await post(after, "/v1/customers", {**key, "Idempotency-Key": "running"})
    other = await post(after, "/v1/customers", key, name="Another")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert (anew.status_code, other.status_code) == (200, 400)
    assert len(rows_of(after, "/v1/customers")) == 3


def test_usage_that_is_not_seen_yet_is_seen_in_time(
    reopened: Open, clock: Clock
) -> None:
    """What was received a moment before shows after the lag, also a cancellation."""
    seller = Seller(reopened(60.0))
    meter, customer = seller.meter(), seller.customer()
    cancelled = {
        "event_name": "api_requests",
        "type": "cancel",
        "cancel": {"identifier": "early"},
    }
    seller.event(customer, "10", identifier="early")
    clock.move(seconds=50)
    seller.event(customer, "3")
    seller.local.call("POST", "/v1/billing/meter_event_adjustments", cancelled)

    def seen(stripe: LocalStripe) -> object:
        span = {"start_time": int(NOON.timestamp()), "end_time": clock.seconds + 600}
        span["end_time"] -= span["end_time"] % 60
        path = f"/v1/billing/meters/{meter}/event_summaries"
        found: Any = stripe.call("GET", path, {**span, "customer": customer})
        return [each["aggregated_value"] for each in found["data"]]

    assert seen(reopened(60.0)) == []
    clock.move(seconds=20)
    assert seen(reopened(60.0)) == [10.0]
    clock.move(seconds=50)
    assert seen(reopened(60.0)) == [3.0]


async def test_sessions_late_errors_and_the_moved_clock_go_on(
    reopened: Open,
) -> None:
    """A token is still good, a window of late errors is reported when it closes, and
    what this run forwarded is not pushed by the next."""
    before = reopened()
    seller = Seller(before)
    seller.meter()
    before.forward("http://127.0.0.1:9/hook")
    before.forward("http://127.0.0.1:9/thin", thin=True)
    token = before.call("POST", "/v2/billing/meter_event_session", {})
    seller.event("cus_nobody", "1")
    secret = str(token["authentication_token"])

    after = reopened()
    stream = "/v2/billing/meter_event_stream"
    headers = {"Authorization": f"Bearer {secret}"}
    transport, here = httpx.ASGITransport(after.app), "http://127.0.0.1"
    async with httpx.AsyncClient(transport=transport, base_url=here) as client:
        payload = {"stripe_customer_id": "cus_nobody", "value": "1"}
        event = {"event_name": "api_requests", "payload": payload}
        answer = await client.post(stream, json={"events": [event]}, headers=headers)
        await client.post("/_sandbox/clock", json={"advance": 15})
    after = reopened()
    (report,) = rows_of(after, "/v2/core/events")

    assert answer.status_code == 200
    assert report["data"]["reason"]["error_count"] == 2
    assert rows_of(after, "/v1/webhook_endpoints") == []
    assert rows_of(after, "/v2/core/event_destinations") == []
