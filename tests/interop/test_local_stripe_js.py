"""An application of another language: Node.js, official clients, nothing of ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import Finished, node_modules, run_node

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.sandbox.valkey import Valkey

INTEROP = Path(__file__).parent
KEY = "sk_test_sandbox"


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    """The program's modules are installed."""
    node_modules(INTEROP)


async def _run(local: LocalStripe, valkey: Valkey, **environment: str) -> Finished:
    async with LocalStripeServer(local) as server:
        return await run_node(
            INTEROP / "legacy_app.mjs",
            {
                "STRIPE_API_BASE": server.base_url,
                "STRIPE_API_KEY": KEY,
                "REDIS_URL": valkey.url,
                **environment,
            },
        )


async def test_the_official_node_clients_cannot_tell_the_difference(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """The program meters three customers, reads back what it sent, and is content."""
    local = LocalStripe(api_key=KEY)

    done = await _run(local, valkey, CALLS="25", CUSTOMERS="Acme,Ünïcode 🦓,x")

    assert (done.code, done.err) == (0, "")
    result: dict[str, Any] = json.loads(done.out)
    assert [
        (each["name"], each["count"], each["refused"]) for each in result["customers"]
    ] == [("Acme", 25, 0), ("Ünïcode 🦓", 12, 13), ("x", 25, 0)]
    for each in result["customers"]:
        # The month may have turned since: whichever it was, there is one counter.
        pattern = f"usage:{each['id']}:api_calls:????-??"
        [key] = [key async for key in valkey_client.scan_iter(match=pattern)]
        assert str(each["count"]).encode() == await valkey_client.get(key)
        assert 34 * 86_400 < await valkey_client.ttl(key) <= 35 * 86_400


async def test_a_second_run_uses_the_meter_of_the_first(valkey: Valkey) -> None:
    """A named meter is made once and found again, among more than one page."""
    local = LocalStripe(api_key=KEY)
    for number in range(5):
        local.call(
            "POST",
            "/v1/billing/meters",
            {
                "display_name": "other",
                "event_name": f"other_{number}",
                "default_aggregation": {"formula": "sum"},
            },
        )

    runs = [
        await _run(local, valkey, METER_EVENT_NAME="api_requests", CALLS="3")
        for _ in range(2)
    ]

    assert [(done.code, done.err) for done in runs] == [(0, ""), (0, "")]
    meters = local.call("GET", "/v1/billing/meters", {})["data"]
    assert isinstance(meters, list)
    assert [meter["event_name"] for meter in meters].count("api_requests") == 1


async def test_the_program_notices_what_is_unlike_stripe(valkey: Valkey) -> None:
    """With summaries that lag an hour it exits 1 and says what it missed."""
    local = LocalStripe(api_key=KEY, summary_lag_s=3600)

    done = await _run(local, valkey, CALLS="3")

    assert done.code == 1
    assert "legacy_app: summary of Acme by null: expected 3, got 0" in done.err
