"""A developer's own program against a sandbox: what becomes of what it sends."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request

import pytest
from tests.integration.sandbox.life import (
    FEW,
    directory,
    living,
)
from tests.integration.sandbox.process import eventually

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.sandbox.roles import JAPANESE
from meterdeck.core.sandbox.sandbox import Sandbox
from meterdeck.core.services.delivery_log import DeliveryLog


async def report(sandbox: Sandbox, **form: str) -> None:
    """Send a meter event as any program would, without meterdeck's library."""
    running = sandbox.running
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{running.stripe_api_base}/v1/billing/meter_events",
        data=urllib.parse.urlencode(form).encode(),
        headers={"Authorization": f"Bearer {running.api_key}"},
    )

    def send() -> None:
        try:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310
        except urllib.error.HTTPError as refusal:
            refusal.close()

    await asyncio.to_thread(send)


async def logged(sandbox: Sandbox, redis: Redis, identifier: str) -> LoggedEvent:
    """Wait for the line of an event in the delivery log."""
    log = DeliveryLog(redis, sandbox.context)
    found: list[LoggedEvent] = []

    async def is_there() -> bool:
        lines = await log.latest(1000)
        found.extend(each for each in lines if each.event.identifier == identifier)
        return bool(found)

    await eventually(is_there)
    return found[0]


async def test_a_foreign_programs_event_is_logged_with_its_tenant() -> None:
    """A developer sees what Stripe made of their own program's event."""
    async with living(FEW) as (sandbox, redis):
        tenant = (await directory(sandbox, redis))[JAPANESE.id]
        await report(
            sandbox,
            event_name="api_requests",
            identifier="mine-1",
            **{
                "payload[stripe_customer_id]": tenant.customer,
                "payload[value]": "25",
            },
        )
        line = await logged(sandbox, redis, "mine-1")

    assert (line.source, line.outcome) == (
        EventSource.APPLICATION,
        EventOutcome.ACCEPTED,
    )
    assert (line.tenant, line.resource) == (JAPANESE.id, "api_calls")
    assert (line.event.customer, line.event.value) == (tenant.customer, "25")


@pytest.mark.parametrize("event_name", ["no_such_meter", "api_requests"])
async def test_a_refused_foreign_event_is_logged_with_the_reason(
    event_name: str,
) -> None:
    """An unknown meter, and an event without a customer: Stripe's own words."""
    async with living(FEW) as (sandbox, redis):
        form = {"payload[value]": "1", "payload[x]": "y"}
        await report(sandbox, event_name=event_name, identifier="mine-2", **form)
        line = await logged(sandbox, redis, "mine-2")

    assert (line.source, line.outcome) == (
        EventSource.APPLICATION,
        EventOutcome.REFUSED,
    )
    assert line.message


async def test_a_repeated_foreign_event_is_logged_as_a_duplicate() -> None:
    """The second event of the same identifier was delivered before."""
    async with living(FEW) as (sandbox, redis):
        tenant = (await directory(sandbox, redis))[JAPANESE.id]
        form = {
            "event_name": "api_requests",
            "identifier": "mine-3",
            "payload[stripe_customer_id]": tenant.customer,
            "payload[value]": "1",
        }
        for _ in range(2):
            await report(sandbox, **form)
        log = DeliveryLog(redis, sandbox.context)

        async def both() -> bool:
            return len(await log.latest(10)) == 2

        await eventually(both)
        first, second = await log.latest(10)

    assert first.outcome is EventOutcome.ACCEPTED
    assert second.outcome is EventOutcome.DUPLICATE


async def test_a_customer_made_by_a_developer_becomes_a_tenant() -> None:
    """What a program creates in the local Stripe is in Redis within seconds."""
    async with living(FEW) as (sandbox, redis):
        running = sandbox.running
        request = urllib.request.Request(  # noqa: S310  # our own server
            f"{running.stripe_api_base}/v1/customers",
            data=b"name=Mine&metadata[tenant]=mine",
            headers={"Authorization": f"Bearer {running.api_key}"},
        )

        def send() -> None:
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310

        await asyncio.to_thread(send)

        async def is_tenant() -> bool:
            return "mine" in await directory(sandbox, redis)

        await eventually(is_tenant)
