"""Test events reach Stripe once and leave a line, whatever happens on the way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.support.contexts import CALLS, IMAGES, STORAGE
from tests.support.proxy import Fault, Proxy
from tests.support.stripe_side import StripeSide

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import (
    BadInput,
    NotFound,
    ReadOnly,
    Refused,
    StripeUnreachable,
)
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.fire import TestEvents
from meterdeck.core.services.usage import UsageService


@dataclass(frozen=True)
class World:
    """Both servers, tenant acme on plan pro, and test events for it."""

    acme: Tenant
    stripe: StripeSide
    redis: Redis
    context: Context
    gateway: StripeGateway
    log: DeliveryLog

    def test_events(
        self, context: Context | None = None, gateway: StripeGateway | None = None
    ) -> TestEvents:
        """Return test events, of another context or by another gateway if given."""
        return TestEvents(
            self.redis, context or self.context, gateway or self.gateway, self.log
        )

    async def fire(self, operation_id: str = "op-1", quantity: int = 5) -> LoggedEvent:
        """Send calls of acme."""
        return await self.test_events().fire(
            self.acme, CALLS, quantity, operation_id=operation_id
        )

    async def total(self) -> Decimal:
        """Return what Stripe has counted for acme this hour and the last."""
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        hour = timedelta(hours=1)
        customer = self.acme.customer
        return await self.gateway.summary(
            self.stripe.meter, customer, now - hour, now + hour
        )

    async def counted(self) -> int:
        """Return the calls acme's counter holds."""
        rows = await UsageService(self.redis, self.context).usage("acme")
        (used,) = (row.used for row in rows if row.resource == CALLS)
        assert isinstance(used, int)
        return used

    async def outcomes(self) -> list[EventOutcome]:
        """Return the outcomes in the log, oldest first."""
        return [line.outcome for line in await self.log.latest(10)]


@pytest.fixture
async def world(
    stripe: StripeSide,
    directory: Directory,
    valkey_client: Redis,
    context: Context,
    gateway: StripeGateway,
) -> World:
    """Everything, with an empty delivery log."""
    stripe.subscribed("acme")
    (acme,) = (await directory.refresh()).tenants
    log = DeliveryLog(valkey_client, context)
    return World(acme, stripe, valkey_client, context, gateway, log)


async def test_an_event_reaches_stripe_and_the_log(world: World) -> None:
    """Accepted: Stripe has the units, the log the line, the counter nothing."""
    logged = await world.fire()

    assert logged.outcome is EventOutcome.ACCEPTED
    assert logged.source is EventSource.TEST
    assert logged.event.identifier == "meterdeck-test-op-1"
    assert logged.request_id.startswith("req_")
    assert await world.log.latest(5) == (logged,)
    assert await world.total() == 5
    assert await world.counted() == 0


async def test_the_same_operation_counts_once(world: World) -> None:
    """The repeat is a line of its own, a duplicate; Stripe's total stays."""
    await world.fire()

    again = await world.fire()

    assert again.outcome is EventOutcome.DUPLICATE
    assert "already exists with identifier meterdeck-test-op-1" in again.message
    assert await world.total() == 5
    assert await world.outcomes() == [EventOutcome.ACCEPTED, EventOutcome.DUPLICATE]


async def test_a_lost_reply_is_unknown_and_the_repeat_settles_it(world: World) -> None:
    """Stripe counted, nobody heard: UNKNOWN, then DUPLICATE, and one count."""
    async with through_proxy(world.context) as (gateway, proxy):
        fire = world.test_events(gateway=gateway).fire
        proxy.lose_next_answer(Fault.RESET)
        first = await fire(world.acme, CALLS, 5, operation_id="op-1")
        second = await fire(world.acme, CALLS, 5, operation_id="op-1")

    assert proxy.faults == 1
    assert first.outcome is EventOutcome.UNKNOWN
    assert "closed the connection" in first.message
    assert second.outcome is EventOutcome.DUPLICATE
    assert await world.total() == 5
    assert await world.outcomes() == [EventOutcome.UNKNOWN, EventOutcome.DUPLICATE]


async def test_what_stripe_refuses_is_logged_with_its_words(world: World) -> None:
    """A meter that is no longer there: REFUSED, and why."""
    path = f"/v1/billing/meters/{world.stripe.meter}/deactivate"
    world.stripe.local.call("POST", path, {})

    logged = await world.fire()

    assert logged.outcome is EventOutcome.REFUSED
    assert "api_requests" in logged.message
    assert [line.message for line in await world.log.latest(5)] == [logged.message]


async def test_count_also_consumes(world: World) -> None:
    """As the application would: counted and sent, and once each for a repeat."""
    fire = world.test_events().fire
    for _ in range(2):
        await fire(world.acme, CALLS, 5, count=True, operation_id="op-1")

    assert await world.counted() == 5
    assert await world.total() == 5


async def test_over_the_limit_nothing_is_sent(world: World) -> None:
    """With `count` the limit holds: neither counted nor sent nor logged."""
    with pytest.raises(Refused, match="reached its limit of API calls"):
        await world.test_events().fire(
            world.acme, CALLS, 100_001, count=True, operation_id="op-1"
        )

    assert await world.total() == 0
    assert await world.counted() == 0
    assert await world.outcomes() == []


@pytest.mark.parametrize(
    ("mode", "read_only", "words"),
    [(Mode.LIVE, False, "is live"), (Mode.SANDBOX, True, "is read-only")],
)
async def test_live_and_read_only_contexts_send_nothing(
    world: World, mode: Mode, read_only: bool, words: str
) -> None:
    """Refused before anything is asked of Stripe; nothing is counted or logged."""
    strict = replace(world.context, mode=mode, read_only=read_only)
    world.stripe.requests.clear()

    for count in (True, False):
        with pytest.raises(ReadOnly if read_only else Refused, match=words):
            await world.test_events(strict).fire(
                world.acme, CALLS, 5, count=count, operation_id="op-1"
            )

    assert world.stripe.requests == []
    assert await world.outcomes() == []
    assert await world.counted() == 0


async def test_a_context_without_stripe_refuses(world: World) -> None:
    """There is nobody to send to, and the sentence says so."""
    test_events = TestEvents(world.redis, world.context, None, world.log)

    with pytest.raises(Refused, match="has no Stripe"):
        await test_events.fire(world.acme, CALLS, 5, operation_id="op-1")


async def test_an_event_that_cannot_be_sent_is_not_logged(world: World) -> None:
    """No connection: an error, and no line about something that never was."""
    assert world.context.stripe is not None
    nowhere = replace(world.context.stripe, api_base="http://127.0.0.1:1")
    gateway = StripeGateway(nowhere, world.context.mode)

    with pytest.raises(StripeUnreachable, match="cannot be reached"):
        await world.test_events(gateway=gateway).fire(
            world.acme, CALLS, 5, operation_id="op-1"
        )

    assert await world.outcomes() == []
    await gateway.close()


@pytest.mark.parametrize("quantity", [0, -1, 2**53 + 1])
async def test_quantities_out_of_range_are_refused(world: World, quantity: int) -> None:
    """From one unit to the largest exact one."""
    with pytest.raises(BadInput, match="a quantity is 1 to"):
        await world.fire(quantity=quantity)


@pytest.mark.parametrize("operation_id", ["", "a b", "x" * 90, "é"])
async def test_operation_ids_must_fit_an_identifier(
    world: World, operation_id: str
) -> None:
    """Stripe's identifiers have at most 100 characters."""
    with pytest.raises(BadInput, match="operation id"):
        await world.fire(operation_id)


async def test_who_or_what_cannot_be_billed_is_refused(world: World) -> None:
    """No customer, no meter, no such resource: a sentence, and nothing is sent."""
    fire = world.test_events().fire
    nobody = Tenant(TenantId("x"), "x")
    world.stripe.requests.clear()

    with pytest.raises(Refused, match="is not a customer in Stripe"):
        await fire(nobody, CALLS, 1, operation_id="op-1")
    with pytest.raises(Refused, match="Images has no meter"):
        await fire(world.acme, IMAGES, 1, operation_id="op-1")
    with pytest.raises(NotFound, match="no resource nothing"):
        await fire(world.acme, "nothing", 1, operation_id="op-1")

    assert world.stripe.requests == []


async def test_fractions_are_sent_exactly(world: World) -> None:
    """1,234 thousandths of a gigabyte are "1.234" at Stripe."""
    storage = replace(world.context.resource(STORAGE), meter="api_requests")
    context = replace(world.context, resources=(storage,))

    logged = await world.test_events(context).fire(
        world.acme, STORAGE, 1234, operation_id="op-1"
    )

    assert logged.event.value == "1.234"
    assert await world.total() == Decimal("1.234")


@asynccontextmanager
async def through_proxy(context: Context) -> AsyncIterator[tuple[StripeGateway, Proxy]]:
    """Give a gateway that talks to Stripe through a proxy."""
    assert context.stripe is not None
    async with Proxy(context.stripe.api_base) as proxy:
        base = proxy.url.removesuffix("/0")
        gateway = StripeGateway(replace(context.stripe, api_base=base), context.mode)
        await gateway.ping()
        try:
            yield gateway, proxy
        finally:
            await gateway.close()
