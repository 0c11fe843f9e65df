"""The fault panel, as the wire shows it: status, headers, and connections that end."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest
import stripe
from tests.support.delivering import until
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer

EVENTS = "/v1/billing/meter_events"
FAULTS = "/_sandbox/faults"


@dataclass
class Sender:
    """Sends meter events of one customer, each of one unit, and tells what came."""

    http: aiohttp.ClientSession
    seller: Seller
    clock: Clock
    meter: str
    customer: str
    sent: int = 0

    async def send(
        self, name: str = "", *, customer: str = "", key: str = ""
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send one; give status, error or object, headers."""
        self.sent += 1
        name = name or f"e{self.sent}"
        form = {
            "event_name": "api_requests",
            "identifier": name,
            "payload[stripe_customer_id]": customer or self.customer,
            "payload[value]": "1",
        }
        headers = {"Idempotency-Key": f"{key or name}{self.sent * bool(key)}"}
        async with self.http.post(EVENTS, data=form, headers=headers) as answer:
            body = await answer.json()
            return answer.status, body.get("error", body), answer.headers

    async def fate(self, name: str = "", *, key: str = "") -> str:
        """Send one, and give its status or the name of the connection's error."""
        try:
            return str((await self.send(name, key=key))[0])
        except aiohttp.ClientError as error:
            return type(error).__name__

    async def set(self, **faults: object) -> dict[str, Any]:
        """Change faults over HTTP."""
        async with self.http.post(FAULTS, json=faults) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def look(self) -> dict[str, Any]:
        """Read the panel."""
        async with self.http.get(FAULTS) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    @property
    def counted(self) -> int:
        """Units in the customer's summary of the day."""
        day = self.clock.seconds // 86_400 * 86_400
        answer: Any = self.seller.local.call(
            "GET",
            f"/v1/billing/meters/{self.meter}/event_summaries",
            {"customer": self.customer, "start_time": day, "end_time": day + 86_400},
        )
        return int(sum(each["aggregated_value"] for each in answer["data"]))


@pytest.fixture
def sender(http: aiohttp.ClientSession, seller: Seller, clock: Clock) -> Sender:
    """A customer with a meter, and who sends its events."""
    return Sender(http, seller, clock, seller.meter(), seller.customer())


_REFUSALS: tuple[tuple[dict[str, object], int, str | None, str, str], ...] = (
    ({"429": 1}, 429, "rate_limit", "Stripe-Rate-Limited-Reason", "global-rate"),
    ({"429": 1, "retry_after_s": 7}, 429, "rate_limit", "Retry-After", "7"),
    ({"lock_timeout": 1}, 429, "lock_timeout", "Stripe-Should-Retry", "true"),
    ({"409": 1}, 409, "idempotency_key_in_use", "Idempotency-Key", "e"),
    ({"409": 1, "409_code": "too_many_concurrent_requests"}, 409,
     "too_many_concurrent_requests", "Original-Request", "req_"),
    ({"500": 1}, 500, None, "Request-Id", "req_"),
    ({"outage_s": None}, 503, None, "Request-Id", "req_"),
    ({"outage_s": 9, "outage_kind": "500"}, 500, None, "Request-Id", "req_"),
)  # fmt: skip


async def test_what_is_refused_before_it_is_done_looks_like_stripes_refusal(
    sender: Sender,
) -> None:
    """Nothing is counted, and the same key and identifier succeed afterwards."""
    for number, (fault, status, code, header, value) in enumerate(_REFUSALS):
        await sender.set(**fault)
        got, error, headers = await sender.send(f"e{number}")

        assert (got, error.get("code")) == (status, code), fault
        assert headers[header].startswith(value), fault
        assert sender.counted == number
        await sender.http.delete(FAULTS)
        assert await sender.fate(f"e{number}") == "200"
        assert sender.counted == number + 1


_LOSSES: tuple[tuple[dict[str, object], str, bool], ...] = (
    ({"cut": 1}, "ClientOSError", False),
    ({"outage_s": None, "outage_kind": "cut"}, "ClientOSError", False),
    ({"outage_s": 0.05, "outage_kind": "hang"}, "ServerDisconnectedError", False),
    ({"lost": 1}, "ServerDisconnectedError", True),
    ({"half": 1}, "ClientPayloadError", True),
    ({"500_after": 1}, "500", True),
    ({"silent": 1, "silence_s": 0.05}, "200", True),
)


async def test_what_is_lost_was_counted_or_not_as_the_fault_says(
    sender: Sender,
) -> None:
    """The client sees a reset, a closed connection, half a body, or a late answer."""
    for number, (fault, fate, done) in enumerate(_LOSSES):
        await sender.set(**fault)
        assert await sender.fate(f"e{number}") == fate, fault
        assert sender.counted == number + done, fault

        await sender.http.delete(FAULTS)
        again = await sender.fate(f"e{number}", key="another")  # identifiers count once
        assert again == ("400" if done else "200"), fault
        assert sender.counted == number + 1, fault


async def test_a_500_after_it_was_done_is_replayed_to_its_key(sender: Sender) -> None:
    """As Stripe does: a request that ran keeps its answer, also a 500."""
    await sender.set(**{"500_after": 1})
    await sender.send("e1")
    await sender.http.delete(FAULTS)

    status, _, headers = await sender.send("e1")

    assert (status, headers["Idempotent-Replayed"]) == (500, "true")


async def test_shares_are_kept_and_a_seed_repeats_them(sender: Sender) -> None:
    """30 % of 300 requests within four standard deviations; the same ones twice."""
    runs = []
    for _ in range(2):
        await sender.set(**{"429": "30%", "500": "10%", "seed": 5})
        runs.append([await sender.fate() for _ in range(300)])
        await sender.set(seed=6)

    assert runs[0] == runs[1]
    counts = Counter(runs[0])
    assert 58 <= counts["429"] <= 122
    assert 9 <= counts["500"] <= 51
    injected = (await sender.look())["injected"]
    assert injected == {"429": 2 * counts["429"], "500": 2 * counts["500"]}


async def test_a_limit_lets_through_what_it_says_and_refuses_the_rest(
    sender: Sender,
) -> None:
    """Meter events may have a limit of their own; then the others' is not theirs."""
    await sender.set(limit_per_s=5, reason="endpoint-concurrency")
    first = Counter([await sender.fate() for _ in range(12)])
    assert 5 <= first["200"] <= 7
    _, _, headers = await sender.send()
    assert headers["Stripe-Rate-Limited-Reason"] == "endpoint-concurrency"

    await sender.set(meter_events_per_s=1000)
    assert [await sender.fate() for _ in range(12)] == ["200"] * 12


async def test_two_events_at_once_of_one_customer_and_meter(sender: Sender) -> None:
    """The second is refused; another customer's is not."""
    other = sender.seller.customer()
    for mode, second in (("409", 409), ("429", 429), ("off", 200)):
        await sender.set(one_at_a_time=mode)
        answers = await asyncio.gather(
            sender.send(), sender.send(), sender.send(customer=other)
        )

        statuses = [status for status, _, _ in answers]
        assert sorted(statuses[:2]) == [200, second]
        assert statuses[2] == 200


async def test_latency_is_at_least_what_was_set(sender: Sender) -> None:
    """And jitter on top; one key twice at once is a 409 of its own meanwhile."""
    await sender.set(latency_ms=60, jitter_ms=30)
    began = monotonic()

    fates = await asyncio.gather(sender.fate("e1"), sender.fate("e1"))

    assert 0.06 <= monotonic() - began < 0.5
    assert sorted(fates) == ["200", "409"]


async def test_a_fault_can_hold_for_meter_events_alone(
    sender: Sender, http: aiohttp.ClientSession
) -> None:
    """Or for what reads; the panel itself is never troubled."""
    for paths, event, read in (("meter_events", "500", 200), ("reading", "200", 500)):
        await sender.set(**{"500": 1, "paths": paths})
        assert await sender.fate() == event
        async with http.get("/v1/account") as answer:
            assert answer.status == read


async def test_summaries_lag_until_they_are_settled(sender: Sender) -> None:
    """Turned back, a shorter lag holds for what is waiting, too."""
    await sender.set(summary_lag_s="2m")
    await sender.send()
    assert sender.counted == 0

    async with sender.http.post("/_sandbox/settle", json={}) as answer:
        assert (await answer.json())["settled"] == 1
    assert sender.counted == 1

    await sender.send()
    await sender.set(summary_lag_s=30)
    sender.clock.move(seconds=31)
    assert sender.counted == 2


async def test_dropped_events_are_reported_and_not_counted(sender: Sender) -> None:
    """They were accepted; the report has the code that was chosen."""
    await sender.set(dropped=1, drop_code="timestamp_in_future")
    assert await sender.fate() == "200"
    await sender.http.post("/_sandbox/settle", json={})

    events: Any = sender.seller.local.call("GET", "/v2/core/events", {})

    (report,) = events["data"]
    (kind,) = report["data"]["reason"]["error_types"]
    assert (kind["code"], kind["error_count"]) == ("timestamp_in_future", 1)
    assert sender.counted == 0
    found = await sender.look()
    assert found["events"] == {"accepted": 1, "refused": 0, "dropped": 1}


async def test_strict_refuses_an_unknown_customer_at_once(sender: Sender) -> None:
    """Without it the event is accepted, and reported later."""
    assert (await sender.send(customer="cus_nobody"))[0] == 200
    await sender.set(strict=True)

    status, error, _ = await sender.send(customer="cus_nobody")

    assert (status, error["code"]) == (400, "resource_missing")
    assert error["message"] == "No such customer: 'cus_nobody'"


async def test_an_outage_ends_by_itself(sender: Sender) -> None:
    """What is set beside it stays."""
    await sender.set(outage_s=0.2, latency_ms=1)
    assert await sender.fate() == "503"
    left = (await sender.look())["outage_left_s"]
    assert 0 < (await sender.set(jitter_ms=1))["outage_left_s"] < left < 0.2

    async with asyncio.timeout(5):
        while await sender.fate() != "200":
            pass

    assert (await sender.look())["active"] == ["latency_ms", "jitter_ms"]


async def test_who_is_held_goes_on_when_the_faults_are_cleared(sender: Sender) -> None:
    """A silent request gets its answer then."""
    await sender.set(silent=1, silence_s=60)
    held = asyncio.create_task(sender.fate())
    await until(lambda: sender.seller.local.panel.injected["silent"] == 1, "it is held")
    await sender.http.delete(FAULTS)

    async with asyncio.timeout(5):
        assert await held == "200"


_SENTENCES = {
    '{"lsot": 1}': "there is no fault 'lsot'; did you mean lost?",
    '{"lost": 3}': "lost cannot be '3'; write a share: 5% or 0.05, at most 100%",
    '{"latency": "2x"}': "latency cannot be '2x'; write a time such as 200ms",
    '{"preset": "bad"}': "there is no preset 'bad'; did you mean bad-day?",
    '{"lost": 0.5, "429": 0.6}': "the shares are 135% together",
    "[]": "the body is no JSON object",
}


async def test_what_the_panel_cannot_do_is_said_and_nothing_changes(
    sender: Sender,
) -> None:
    """One sentence: what, and what would be right."""
    kind = {"content-type": "application/json"}
    await sender.set(cut=0.25)

    for body, sentence in _SENTENCES.items():
        async with sender.http.post(FAULTS, data=body, headers=kind) as answer:
            assert answer.status == 400
            assert sentence in (await answer.json())["error"]["message"]

    assert (await sender.look())["active"] == ["cut"]


async def test_no_web_page_can_change_faults(sender: Sender) -> None:
    """What a browser would send for one is refused, and no answer allows more."""
    kind = {"content-type": "application/json"}
    for headers, status in (
        ({**kind, "Origin": "https://evil.example"}, 403),
        ({**kind, "Host": "evil.example"}, 403),
        ({"content-type": "text/plain"}, 415),
    ):
        async with sender.http.post(
            FAULTS, data='{"500": 1}', headers=headers
        ) as answer:
            assert answer.status == status
            assert "access-control-allow-origin" not in answer.headers

    assert await sender.fate() == "200"


async def test_the_official_sdk_raises_what_it_raises_for_stripe(
    sender: Sender, client: stripe.StripeClient
) -> None:
    """Its own classes, with Stripe's codes; a cut connection is its own kind."""
    raised = []
    for fault in ("429", "lock_timeout", "409", "500", "lost", "cut"):
        await sender.http.delete(FAULTS)
        await sender.set(**{fault: 1})
        with pytest.raises(stripe.StripeError) as error:
            await client.v1.billing.meter_events.create_async(
                {
                    "event_name": "api_requests",
                    "payload": {"stripe_customer_id": sender.customer, "value": "1"},
                }
            )
        body: Any = error.value.json_body or {}
        code = body.get("error", {}).get("code")
        raised.append((type(error.value).__name__, code))

    assert raised == [
        ("RateLimitError", "rate_limit"),
        ("RateLimitError", "lock_timeout"),
        ("APIError", "idempotency_key_in_use"),
        ("APIError", None),
        ("APIConnectionError", None),
        ("APIConnectionError", None),
    ]


async def test_the_panel_tells_what_it_is(
    http: aiohttp.ClientSession, local: LocalStripe, server: LocalStripeServer
) -> None:
    """Whoever finds the address finds out what there is."""
    async with http.get("/_sandbox") as answer:
        found = await answer.json()

    assert "POST /_sandbox/faults" in found["help"]
    assert found["now"] == "2026-03-10T12:00:00.000Z"
    async with http.get("/_sandbox/nothing") as answer:
        assert answer.status == 404


async def test_the_clock_moves_ahead_and_periods_with_it(sender: Sender) -> None:
    """Never back; an identifier is forgotten after a day."""
    assert await sender.fate("e1") == "200"

    async with sender.http.post("/_sandbox/clock", json={"advance": "1d"}) as answer:
        assert (await answer.json())["now"] == "2026-03-11T12:00:00.000Z"
    assert await sender.fate("e1", key="another") == "200"

    for wrong in ({"advance": -1}, {"advance": "1y"}, {"back": 1}, {}):
        async with sender.http.post("/_sandbox/clock", json=wrong) as answer:
            assert answer.status == 400


async def test_a_restart_clears_the_faults_and_keeps_the_clock(
    tmp_path: Path, clock: Clock
) -> None:
    """Also one that was killed."""
    live, kept = tmp_path / "live", tmp_path / "kept"
    live.mkdir()
    local = LocalStripe(now=clock, state=live / "stripe")
    async with (
        LocalStripeServer(local) as server,
        aiohttp.ClientSession(server.base_url) as http,
    ):
        await http.post(FAULTS, json={"lost": 1})
        await http.post("/_sandbox/clock", json={"advance": "2h"})
        shutil.copytree(live, kept)  # as it is on disk while it runs
    local.close()

    again = LocalStripe(now=clock, state=kept / "stripe")

    assert not again.panel.faults.active
    assert again.call("POST", "/v1/customers", {})["created"] == clock.seconds + 7_200
    again.close()
