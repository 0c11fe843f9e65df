"""Events that Stripe accepted and did not count: found by its reports, and refused."""

import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from tests.support.billed import MONTHLY, Billed
from tests.support.stripe_account import Clock
from tests.support.stripe_side import running_stripe

from meterdeck.core.adapters.http_server import HttpServer
from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.webhook_app import (
    webhook_app,
)
from meterdeck.core.adapters.webhook_signature import check_signature
from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Secret
from meterdeck.core.model.delivery import Letter
from meterdeck.core.model.destinations import Notification
from meterdeck.core.model.event_life import EventState
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.late_errors import ErrorReport
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.error_reports import ErrorReports, Handled
from meterdeck.core.services.sync.duties import Duties
from meterdeck.core.services.sync.equipment import Equipment

SECRET = "whsec_test"


@dataclass
class Late:
    """A fleet that is billed, a Stripe whose clock is moved, and its reports."""

    billed: Billed
    clock: Clock
    reports: ErrorReports

    async def deleted(self, name: str, units: int) -> str:
        """Bill a tenant whose customer Stripe has deleted; return the identifier."""
        subject = await self.billed.subject(name)
        self.billed.stripe.delete(subject.tenant.customer)
        return (await self.billed.bill(subject, units)).event.identifier

    async def letters(self, *names: str) -> list[Letter]:
        """Return the letters of these tenants."""
        return [x for name in names for x in await self.billed.all.letters.of(name)]

    async def published(self) -> list[ErrorReport]:
        """Let the window close, and return its reports."""
        self.clock.move(seconds=15)
        since = self.clock.at - timedelta(hours=1)
        return [each async for each in self.billed.gateway.core_events(since)]


@pytest.fixture
async def late(valkey: Valkey, valkey_client: Redis) -> AsyncIterator[Late]:
    """Nothing is billed yet; a window of reports has just begun."""
    now = await server_time(valkey_client)
    clock = Clock(now.replace(second=now.second // 10 * 10, microsecond=0))
    async with running_stripe(now=clock) as side, gateway_of(side, valkey) as gateway:
        context = side.context(valkey.url)
        billed = Billed(valkey_client, context, side, gateway)
        yield Late(billed, clock, ErrorReports(valkey_client, context, gateway))


@asynccontextmanager
async def gateway_of(side: object, valkey: Valkey) -> AsyncIterator[StripeGateway]:
    """Run a gateway to the local Stripe for the time of the block."""
    context = side.context(valkey.url)  # type: ignore[attr-defined]  # a StripeSide
    gateway = StripeGateway(context.stripe, context.mode)
    try:
        yield gateway
    finally:
        await gateway.close()


async def test_a_report_refuses_exactly_the_events_it_is_about(late: Late) -> None:
    """Of eight lost events Stripe names five; the customers tell the other three."""
    names = [f"lost-{n}" for n in range(8)]
    sent = [await late.deleted(name, 3) for name in names]
    good = await late.billed.subject("good")
    await late.billed.bill(good, 5)
    late.clock.move(seconds=15)

    assert await late.reports.poll() == Handled(1, 8, 0)

    found = await late.letters(*names)
    assert {each.event.identifier for each in found} == set(sent)
    assert {each.state for each in found} == {EventState.REFUSED}
    assert all("not found" in each.reason for each in found)
    assert {each.code for each in found} == {"meter_event_customer_not_found"}
    subject = await late.billed.subject("lost-0")
    (record,) = await late.billed.records.read([subject.counter])
    assert (record.reported, record.parked) == (0, 3)
    assert await late.letters("good") == []
    assert await late.reports.poll() == Handled()


async def test_reports_are_handled_once_in_any_order(late: Late) -> None:
    """The newer first, each twice, by two processes: each event is refused once."""
    await late.deleted("one", 3)
    late.clock.move(seconds=10)
    await late.deleted("two", 4)
    reports = await late.published()
    other = ErrorReports(late.billed.redis, late.billed.context, late.billed.gateway)
    ordered: Sequence[ErrorReport] = sorted(
        reports, key=lambda each: str(each.start), reverse=True
    )

    handled = [
        await each.handle(report)
        for report in (*ordered, *ordered)
        for each in (late.reports, other)
    ]

    assert sum(handled, Handled()) == Handled(2, 2, 0)
    assert len(await late.letters("one", "two")) == 2
    subject = await late.billed.subject("two")
    (record,) = await late.billed.records.read([subject.counter])
    assert (record.reported, record.parked) == (0, 4)


async def test_what_cannot_be_pinned_is_counted_and_said(
    late: Late, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program's event was lost: looked for a while, then it is an alarm."""
    now = late.clock.at
    await late.billed.send(MeterEvent(MONTHLY.meter, "stranger", "cus_none", "2", now))
    (report,) = await late.published()

    assert await late.reports.handle(report) == Handled()
    later = await server_time(late.billed.redis) + timedelta(minutes=11)

    async def an_hour() -> object:
        return later

    patient = ErrorReports(
        late.billed.redis,
        late.billed.context,
        late.billed.gateway,
        now=an_hour,  # type: ignore[arg-type]  # returns a moment
    )
    with caplog.at_level(logging.WARNING):
        assert await patient.handle(report) == Handled(1, 0, 1)

    (said,) = [x for x in caplog.records if x.message == "late_errors_not_pinned"]
    facts = vars(said)["facts"]
    assert (facts["count"], facts["codes"]) == (1, "meter_event_customer_not_found")


async def test_an_event_of_the_queue_becomes_a_letter(late: Late) -> None:
    """It is out of the queue; the log still knows it, and it can be replayed."""
    identifier = f"md1-{'ab' * 20}-q"
    event = MeterEvent(MONTHLY.meter, identifier, "cus_none", "6", late.clock.at)
    await late.billed.send(event)
    tenant = late.billed.tenant("queued")
    line = LoggedEvent(
        "",
        late.clock.at,
        EventSource.QUEUE,
        EventOutcome.ACCEPTED,
        tenant.id,
        MONTHLY.name,
        event,
        period="2026-11",
        units=6,
    )
    await DeliveryLog(late.billed.redis, late.billed.context).append(line)
    late.clock.move(seconds=15)

    assert await late.reports.poll() == Handled(1, 1, 0)

    (letter,) = await late.letters("queued")
    assert (letter.event.identifier, letter.units) == (identifier, 6)
    assert letter.state is EventState.REFUSED


async def test_a_signed_notification_is_fetched_and_handled(late: Late) -> None:
    """Twice delivered, done once; forged or old ones change nothing."""
    await late.deleted("one", 3)
    (report,) = await late.published()
    thin = {"id": report.id, "object": "v2.core.event", "type": report.type}
    body = json.dumps(thin).encode()
    now_s = 1_800_000_000.0

    async def handler(notification: Notification) -> None:
        await late.reports.notified(notification)

    app = webhook_app(Secret(SECRET), handler, now_s=lambda: now_s)
    async with (
        HttpServer(app, host="127.0.0.1", port=0, named="webhook") as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):

        async def post(signature: str) -> int:
            answer = await client.post(
                "/stripe", content=body, headers={"Stripe-Signature": signature}
            )
            return answer.status_code

        assert await post(signed(body, int(now_s), "whsec_other")) == 400
        assert await post(signed(body, int(now_s) - 301)) == 400
        assert await late.letters("one") == []
        assert await post(signed(body, int(now_s))) == 200
        assert await post(signed(body, int(now_s))) == 200

    assert len(await late.letters("one")) == 1
    assert await late.reports.poll() == Handled()


async def test_one_of_several_workers_looks_at_a_time(late: Late) -> None:
    """Two workers in the same five seconds: one of them reads the reports."""
    await late.deleted("one", 3)
    late.clock.move(seconds=15)
    found = []
    for name in ("first", "second"):
        own = Equipment(late.billed.context, name)
        own.server_clock.learn(await server_time(late.billed.redis))
        duties = Duties(own)
        await duties.read_reports()
        found.append(duties.found.refused_late)
        await own.close()

    assert found == [1, 0]


def signed(body: bytes, at: int, secret: str = SECRET) -> str:
    """Sign a body as Stripe does."""
    payload = str(at).encode() + b"." + body
    digest = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@pytest.mark.parametrize(
    ("header", "body", "now_s"),
    [
        (signed(b"{}", 1000), b"{ }", 1000),  # another body
        (signed(b"{}", 1000), b"{}", 1301),  # too old
        (signed(b"{}", 1000), b"{}", 699),  # too far ahead
        (signed(b"{}", 1000, "whsec_x"), b"{}", 1000),  # another secret
        ("t=1000", b"{}", 1000),
        ("v1=00", b"{}", 1000),
        ("t=1000,t=1000,v1=00", b"{}", 1000),
        ("t=1e3,v1=00", b"{}", 1000),
        ("t=99999999999999999999,v1=00", b"{}", 1000),
        ("t=1000,v1=\u00e9", b"{}", 1000),
        ("", b"{}", 1000),
    ],
)
def test_a_signature_that_is_not_stripes_is_refused(
    header: str, body: bytes, now_s: float
) -> None:
    """Forged, replayed or malformed: one sentence, whatever it is."""
    with pytest.raises(BadInput):
        check_signature(header, body, SECRET, now_s)


def test_any_of_several_signatures_is_enough() -> None:
    """While a secret is being replaced Stripe signs with both; other schemes pass."""
    good = signed(b"{}", 1000).partition(",")[2]

    check_signature(f"t=1000,v0=aa,v1=00,{good}", b"{}", SECRET, 1300)
