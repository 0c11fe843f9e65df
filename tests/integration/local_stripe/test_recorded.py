"""Answers that the real Stripe gave, compared with ours to the same requests.

Keys and their order, types, nulls, status and the names of headers. What differs is
listed with its reason; a listed difference that is gone fails, too.

Sources are named in each file of `recorded/`: VCR cassettes of pay-rails/pay, fixtures
of shorebirdtech/shorebird, and examples of docs.stripe.com.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from tests.support.recorded import (
    differences,
    header_differences,
    load,
)
from tests.support.recorded_differences import DIFFERENCES
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer

_RECORDED = Path(__file__).parent / "recorded"
_KEY = "sk_test_sandbox"
_DAY = 86_400


@dataclass(frozen=True)
class Answered:
    """What the local Stripe answered."""

    status: int
    headers: dict[str, str]
    body: Any


class _Asking:
    """Ask over HTTP; `answers` keeps what is compared."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.answers: dict[str, Answered] = {}

    async def __call__(
        self, name: str, method: str, path: str, form: str = "", **more: Any
    ) -> Any:
        """Send the form, or in a GET the query, and keep the answer as `name`."""
        if method == "GET" and form:
            path, form = f"{path}?{form}", ""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            **({"Idempotency-Key": str(uuid4())} if method == "POST" else {}),
            **more.pop("headers", {}),
        }
        async with self._http.request(
            method, path, data=form or None, headers=headers, **more
        ) as response:
            body = await response.json()
            answer = Answered(response.status, dict(response.headers), body)
        self.answers[name] = answer
        return body


@asynccontextmanager
async def _asking(local: LocalStripe) -> AsyncIterator[_Asking]:
    async with (
        LocalStripeServer(local) as server,
        aiohttp.ClientSession(
            server.base_url, headers={"Authorization": f"Bearer {_KEY}"}
        ) as http,
    ):
        yield _Asking(http)


async def _everything() -> dict[str, Answered]:
    """Make every recorded request, as it was made where that was published."""
    clock = Clock.at_noon()
    local = LocalStripe(api_key=_KEY, now=clock, seed=7)
    seller = Seller(local)
    async with _asking(local) as ask:
        await _meters(ask)
        await _usage(ask, seller, clock)
        await _v2(ask, seller, clock)
        await _errors(ask, seller)
        await _customers(ask)
        await _subscriptions(ask, seller, clock)
        await _billing(ask, seller)
        return ask.answers


async def _meters(ask: _Asking) -> None:
    for number in (1, 2):
        meter = await ask(
            "meter",
            "POST",
            "/v1/billing/meters",
            f"display_name=Calls&event_name=calls_{number}"
            "&default_aggregation[formula]=sum",
        )
    await ask("meters", "GET", "/v1/billing/meters", "limit=1")
    await ask("meters_documented", "GET", "/v1/billing/meters", "limit=1")
    path = f"/v1/billing/meters/{meter['id']}/deactivate"
    await ask("meter_deactivated", "POST", path)


async def _usage(ask: _Asking, seller: Seller, clock: Clock) -> None:
    meter, customer = seller.meter(), seller.customer()
    hour = 3600
    for hours_ago in (1, 2):
        await ask(
            "meter_event",
            "POST",
            "/v1/billing/meter_events",
            f"event_name=api_requests&identifier=event_{hours_ago}"
            f"&timestamp={clock.seconds - hours_ago * hour}"
            f"&payload[value]=25&payload[stripe_customer_id]={customer}",
        )
    path = f"/v1/billing/meters/{meter}/event_summaries"
    asked = (
        f"customer={customer}&start_time={clock.seconds - _DAY}"
        f"&end_time={clock.seconds}&value_grouping_window=hour"
    )
    await ask("summaries_documented", "GET", path, asked)
    first = await ask("summaries", "GET", path, f"{asked}&limit=1")
    cursor = first["data"][0]["id"]
    await ask("summaries_last_page", "GET", path, f"{asked}&starting_after={cursor}")
    await ask(
        "meter_event_adjustment",
        "POST",
        "/v1/billing/meter_event_adjustments",
        "event_name=api_requests&type=cancel&cancel[identifier]=event_1",
    )


async def _v2(ask: _Asking, seller: Seller, clock: Clock) -> None:
    payload = {"stripe_customer_id": seller.customer(), "value": "25"}
    event = {"event_name": "api_requests", "payload": payload}
    await ask("v2_meter_event", "POST", "/v2/billing/meter_events", json=event)
    session = await ask("v2_session", "POST", "/v2/billing/meter_event_session")
    lost = [
        {"event_name": "api_requests", "payload": {"value": "1"}},
        {"event_name": "no_such_meter", "payload": payload},
    ]
    token = {"Authorization": f"Bearer {session['authentication_token']}"}
    await ask(
        "v2_stream",
        "POST",
        "/v2/billing/meter_event_stream",
        json={"events": [event, *lost]},
        headers=token,
    )
    clock.move(seconds=15)
    for name, kind in (
        ("v2_error_report", "error_report_triggered"),
        ("v2_no_meter_found", "no_meter_found"),
    ):
        asked = f"types[0]=v1.billing.meter.{kind}"
        found = await ask("_", "GET", "/v2/core/events", asked)
        await ask(name, "GET", f"/v2/core/events/{found['data'][0]['id']}")


async def _errors(ask: _Asking, seller: Seller) -> None:
    customer = seller.customer()
    await ask("customer_404", "GET", "/v1/customers/1")
    form = load(_RECORDED, "subscription_400").asked
    form = _with_customer(form, customer)
    await ask("subscription_400", "POST", "/v1/subscriptions", form)
    wrong = {"Authorization": "Bearer sk_test_abcdefghijkl3456"}
    path = "/v1/customers"
    async with ask._http.post(path, headers=wrong) as response:
        ask.answers["wrong_key_401"] = Answered(
            response.status, dict(response.headers), await response.json()
        )
    form = f"product={seller.product()}&currency=usd&unit_amount=-1"
    await ask("integer_400", "POST", "/v1/prices", form)


async def _customers(ask: _Asking) -> None:
    form = load(_RECORDED, "customer").asked
    made = await ask("customer", "POST", "/v1/customers", form)
    path, asked = f"/v1/customers/{made['id']}", "expand[]=subscriptions"
    await ask("customer_with_no_subscriptions", "GET", path, asked)
    path, asked = "/v1/customers/search", "query=email:'nobody@shorebird.dev'"
    await ask("customer_search_nothing", "GET", path, asked)


async def _billing(ask: _Asking, seller: Seller) -> None:
    customer, meter = seller.customer(), seller.meter("watched")
    await ask(
        "alert",
        "POST",
        "/v1/billing/alerts",
        "alert_type=usage_threshold&title=Usage&usage_threshold[gte]=10000"
        f"&usage_threshold[meter]={meter}&usage_threshold[recurrence]=one_time",
    )
    path = "/v1/billing/credit_grants"
    grant = await ask(
        "credit_grant",
        "POST",
        path,
        f"customer={customer}&name=Purchased+Credits&amount[type]=monetary"
        "&amount[monetary][currency]=usd&amount[monetary][value]=1000"
        "&applicability_config[scope][price_type]=metered",
    )
    await ask("credit_grant_expired", "POST", f"{path}/{grant['id']}/expire")


async def _subscriptions(ask: _Asking, seller: Seller, clock: Clock) -> None:
    """Their requests name prices by old ids, which ours take the place of."""
    product, meter = seller.product(), seller.meter("patch_installs")
    monthly = seller.licensed_price(product, nickname="Small Monthly")
    customer = seller.customer(email="acme@example.com")

    def asked(name: str) -> str:
        form = load(_RECORDED, name).asked.replace("small-monthly", monthly)
        return _with_customer(form, customer)

    path = "/v1/subscriptions"
    for name in ("subscription_trial", "subscription_quantity"):
        made = await ask(name, "POST", path, asked(name))
    path = f"{path}/{made['id']}"
    await ask("subscription", "GET", path, asked("subscription"))
    await ask(
        "subscription_new_anchor",
        "POST",
        path,
        "cancel_at_period_end=false&proration_behavior=always_invoice&trial_end=now"
        "&billing_cycle_anchor=now&expand[]=latest_invoice.confirmation_secret"
        "&expand[]=latest_invoice.payments",
    )
    name = "subscription_cancel_at_period_end"
    await _event(ask)
    await ask("_", "POST", f"/v1/customers/{customer}", "email=test@shorebird.dev")
    found = "query=email:'test@shorebird.dev'&expand[]=data.subscriptions"
    await ask("customer_search", "GET", "/v1/customers/search", found)
    await ask(name, "POST", path, asked(name))
    await _metered(ask, seller, product, meter)


async def _metered(ask: _Asking, seller: Seller, product: str, meter: str) -> None:
    customer = seller.customer()
    tiers = [{"up_to": 100, "flat_amount": 1}, {"up_to": "inf", "flat_amount": 2}]
    tiered = seller.licensed_price(
        product,
        nickname="Tiers",
        unit_amount=None,
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=tiers,
    )
    made = seller.subscription(customer, tiered)
    await ask(
        "subscription_tiers",
        "GET",
        f"/v1/subscriptions/{made}",
        "expand[]=items.data.price.tiers",
    )
    metered = seller.metered_price(meter, product)
    made = seller.subscription(customer, metered)
    page = await ask("_", "GET", "/v1/subscription_items", f"subscription={made}")
    path = f"/v1/subscription_items/{page['data'][0]['id']}"
    await ask("metered_item", "GET", path)


async def _event(ask: _Asking) -> None:
    asked = "type=customer.subscription.created&limit=1"
    page = await ask("_", "GET", "/v1/events", asked)
    await ask("event", "GET", f"/v1/events/{page['data'][0]['id']}")


def _with_customer(form: str, customer: str) -> str:
    fields = (each.partition("=") for each in form.split("&"))
    return "&".join(
        f"{name}={customer if name == 'customer' else value}"
        for name, _, value in fields
        if name
    )


@pytest.fixture(scope="module")
def answers() -> dict[str, Answered]:
    """Our answer to each recorded request, by the recording's name."""
    return asyncio.run(_everything())


_NAMES = sorted(each.stem for each in _RECORDED.glob("*.json"))


@pytest.mark.parametrize("name", _NAMES)
def test_ours_is_like_the_recorded_answer(
    answers: dict[str, Answered], name: str
) -> None:
    """But for what is listed with its reason; and all of that is really so."""
    recording, ours = load(_RECORDED, name), answers[name]

    assert recording.status in {None, ours.status}
    found = {
        *differences(recording, ours.body),
        *header_differences(recording, ours.headers),
    }
    assert set(DIFFERENCES.get(name, {})) == found
