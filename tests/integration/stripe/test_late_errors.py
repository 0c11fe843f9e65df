"""Late reports of events that were not counted, and cancelling: by the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.stripe_account import Clock, Seller
from tests.support.stripe_faults import (
    RESET,
    FaultServer,
    Reply,
    answer,
    refusal,
)

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import StripeUnreachable
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.model.cancelling import CancelOutcome
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.model.events import EventOutcome, MeterEvent
from meterdeck.core.model.late_errors import ERROR_REPORT, LATE_ERRORS

KEY = "sk_test_local"
START = datetime(2026, 11, 25, 12, tzinfo=UTC)
REPORT = {
    "id": "evt_1",
    "object": "v2.core.event",
    "type": ERROR_REPORT,
    "created": "2026-11-25T12:00:12.000Z",
    "related_object": {"id": "mtr_1", "type": "billing.meter"},
}


@asynccontextmanager
async def gateway_to(base_url: str) -> AsyncIterator[StripeGateway]:
    """Run a gateway for the time of the block."""
    options = StripeOptions(Secret(KEY), api_base=base_url, timeout_s=2.0)
    gateway = StripeGateway(options, Mode.TEST)
    try:
        yield gateway
    finally:
        await gateway.close()


async def test_reports_are_read_over_pages_with_the_keys_of_their_requests() -> None:
    """Every window since the moment, not those before; each names requests by key."""
    clock = Clock(START)
    local = LocalStripe(api_key=KEY, now=clock)
    Seller(local).meter()
    async with LocalStripeServer(local) as server, gateway_to(server.base_url) as to:
        for n in range(103):  # more than a page holds, each in a window of its own
            lost = MeterEvent("api_requests", f"id-{n}", f"cus_{n}", "1", clock.at)
            assert (await to.send_meter_event(lost)).outcome is EventOutcome.ACCEPTED
            clock.move(seconds=10)
        clock.move(seconds=20)

        after = START + timedelta(seconds=22)  # the first report came before
        found = [each async for each in to.core_events(after, LATE_ERRORS)]

        assert len({each.id for each in found}) == len(found) == 102
        oldest = min(found, key=lambda each: each.start or START)
        (kind,) = oldest.kinds
        assert (kind.code, kind.count) == ("meter_event_customer_not_found", 1)
        assert kind.samples[0].idempotency_key.startswith("id-1.")
        assert oldest.start == START + timedelta(seconds=10)
        assert (await to.core_event(oldest.id)) == oldest
        assert [x async for x in to.core_events(after, ["v1.other"])] == []


async def test_a_report_listed_without_its_data_is_fetched_whole() -> None:
    """What Stripe lists may be as thin as what it pushes."""
    sample = {"error_message": "gone", "request": {"identifier": "key-1"}}
    kind = {"code": "archived_meter", "error_count": 7, "sample_errors": [sample, 3]}
    whole = {**REPORT, "data": {"reason": {"error_count": 7, "error_types": [kind]}}}
    page = answer({"data": [REPORT], "next_page_url": None})
    async with FaultServer(page, answer(whole)) as server:
        async with gateway_to(server.base_url) as to:
            (found,) = [each async for each in to.core_events(START)]

        assert server.asked[1].path == "/v2/core/events/evt_1"
        assert server.asked[0].form["created[gte]"] == "2026-11-25T12:00:00.000Z"
        assert (found.meter_id, found.count) == ("mtr_1", 7)
        assert found.kinds[0].samples[0].idempotency_key == "key-1"


async def test_the_next_page_is_never_asked_for_elsewhere() -> None:
    """An address in Stripe's answer cannot lead the key to another path."""
    page = answer({"data": [], "next_page_url": "/v1/customers?limit=1"})
    async with FaultServer(page) as server, gateway_to(server.base_url) as to:
        with pytest.raises(StripeUnreachable, match="next page elsewhere"):
            [each async for each in to.core_events(START)]

        assert len(server.asked) == 1


async def test_an_event_is_cancelled_once() -> None:
    """Done, then already; an event of nobody is refused with Stripe's words."""
    local = LocalStripe(api_key=KEY)
    seller = Seller(local)
    seller.meter()
    now = datetime.now(UTC).replace(microsecond=0)
    event = MeterEvent("api_requests", "id-1", seller.customer(), "5", now)
    async with LocalStripeServer(local) as server, gateway_to(server.base_url) as to:
        await to.send_meter_event(event)

        done = await to.cancel("api_requests", "id-1")
        again = await to.cancel("api_requests", "id-1")
        nobody = await to.cancel("api_requests", "id-2")

        assert (done.outcome, done.message) == (CancelOutcome.DONE, "")
        assert done.request_id.startswith("req_")
        assert again.outcome is CancelOutcome.ALREADY
        assert nobody.outcome is CancelOutcome.REFUSED
        assert "No event with identifier id-2" in nobody.message


@pytest.mark.parametrize("lost", [RESET, refusal(500, "An error occurred.")])
async def test_a_cancellation_without_an_answer_is_unknown(lost: Reply) -> None:
    """Asked once; Stripe may have done it."""
    async with FaultServer(lost) as server, gateway_to(server.base_url) as to:
        cancelled = await to.cancel("api_requests", "id-1")

        assert cancelled.outcome is CancelOutcome.UNKNOWN
        assert len(server.asked) == 1


async def test_a_cancellation_that_was_put_off_is_an_error() -> None:
    """429: surely not done, so it may simply be asked later."""
    async with (
        FaultServer(refusal(429, "slow down")) as server,
        gateway_to(server.base_url) as to,
    ):
        with pytest.raises(StripeUnreachable, match="slow down"):
            await to.cancel("api_requests", "id-1")
