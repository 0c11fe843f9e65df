"""A local Stripe on a real socket, its clock in hand, the official SDK before it."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiohttp
import pytest
import stripe
from tests.support.judged_stripe import JudgedStripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer

API_KEY = "sk_test_sandbox"


@pytest.fixture(autouse=True)
def _no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes nothing into the home directory."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)


@pytest.fixture
def clock() -> Clock:
    """The account's clock, at noon of an ordinary day, moved by the test alone."""
    return Clock(datetime(2026, 3, 10, 12, 0, tzinfo=UTC))


@pytest.fixture
def local(clock: Clock) -> Iterator[LocalStripe]:
    """An empty account; each of its good answers is as the SDK types it."""
    local = JudgedStripe(api_key=API_KEY, now=clock, seed=7)
    yield local
    assert local.unlike == []


@pytest.fixture
async def server(local: LocalStripe) -> AsyncIterator[LocalStripeServer]:
    """The account on a free port."""
    async with LocalStripeServer(local) as running:
        yield running


@pytest.fixture
async def client(server: LocalStripeServer) -> AsyncIterator[stripe.StripeClient]:
    """The official SDK, asynchronous, pointed at the account."""
    transport = stripe.AIOHTTPClient()
    yield stripe.StripeClient(
        API_KEY,
        base_addresses={"api": server.base_url, "meter_events": server.base_url},
        http_client=transport,
    )
    await transport.close_async()  # type: ignore[no-untyped-call]  # the SDK's


@pytest.fixture
async def http(server: LocalStripeServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Plain HTTP with the right key, for what no SDK sends or shows."""
    async with aiohttp.ClientSession(
        server.base_url, headers={"Authorization": f"Bearer {API_KEY}"}
    ) as session:
        yield session


@pytest.fixture
def seller(local: LocalStripe) -> Seller:
    """Makes meters, prices, customers and subscriptions in one line each."""
    return Seller(local)


@pytest.fixture
def prices(seller: Seller) -> tuple[str, str]:
    """A metered price and a licensed one."""
    product = seller.product()
    return (
        seller.metered_price(seller.meter(), product),
        seller.licensed_price(product),
    )
