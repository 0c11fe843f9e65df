"""A sandbox that was killed goes on: nothing that was answered is lost."""

import signal
from pathlib import Path

import httpx
import pytest
from tests.integration.sandbox.life import compared, directory
from tests.integration.sandbox.process import (
    Child,
    eventually,
    runs,
    sandbox_child,
    wait_until,
)
from tests.integration.sandbox.test_process import valkey_pid

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox.fleet import Fleet
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.sandbox import Sandbox
from meterdeck.tui.cli.sandbox import _with_fleet


def client_of(child: Child) -> httpx.AsyncClient:
    """Return plain HTTP with the right key."""
    headers = {"Authorization": f"Bearer {child.api_key}"}
    return httpx.AsyncClient(base_url=child.stripe_api_base, headers=headers)


async def test_a_killed_sandbox_goes_on_where_it_was(tmp_path: Path) -> None:
    """The fleet is not made again, what was created and billed is there, identifiers
    and idempotency keys are known, and reconciliation finds no difference."""
    folder = tmp_path / "data"
    flags = f"--data-dir={folder}", "--tenants=8", "--rate=50"
    key = {"Idempotency-Key": "made-once"}
    event = {"event_name": "images", "identifier": "mine", "payload[value]": "5"}
    (tmp_path / "one").mkdir()
    with sandbox_child(tmp_path / "one", *flags) as child:
        async with client_of(child) as http:
            made = await http.post("/v1/customers", data={"name": "Me"}, headers=key)
            event["payload[stripe_customer_id]"] = made.json()["id"]
            sent = await http.post("/v1/billing/meter_events", data=event)

            async def delivered() -> bool:
                return await events_of(child) > 1

            await eventually(delivered)
        valkey = await valkey_pid(child)
        child.process.send_signal(signal.SIGKILL)
        child.end()
        wait_until(lambda: not runs(valkey))

    options = SandboxOptions(data_dir=folder, traffic=False)
    async with Sandbox(options) as sandbox:
        running = sandbox.running
        headers = {"Authorization": f"Bearer {running.api_key}"}
        base = running.stripe_api_base
        async with httpx.AsyncClient(base_url=base, headers=headers) as http:
            again = await http.post("/v1/customers", data={"name": "Me"}, headers=key)
            repeated = await http.post("/v1/billing/meter_events", data=event)
            listed = await http.get("/v1/customers", params={"limit": 100})
        redis = open_redis(RedisOptions(url=running.redis_url))
        tenants = await directory(sandbox, redis)
        found = await compared(sandbox, redis, tenants)
        await redis.aclose()

    assert (made.status_code, sent.status_code) == (200, 200)
    assert again.content == made.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "already exists with identifier mine" in repeated.json()["error"]["message"]
    assert sandbox.fleet.tenants == 8
    assert len(listed.json()["data"]) == 8 + 1
    assert found
    # What was used just before the end may be on its way; nothing is lost or foreign.
    assert not any(each.finding.faults for each in found)


def test_another_fleet_than_asked_for_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder's goes on, and whoever asked for 60 tenants is told."""
    options = SandboxOptions(data_dir=Path("data"))
    fleet = Fleet.of(Fleet(seed=1, tenants=8).note)

    shown = _with_fleet(options, fleet)
    told = capsys.readouterr().err
    _with_fleet(shown, fleet)

    assert (shown.seed, shown.tenants) == (1, 8)
    assert told.startswith("meterdeck: data keeps a fleet of 8 tenants (seed 1)")
    assert capsys.readouterr().err == ""


async def events_of(child: Child) -> int:
    """Return how many meter events are in the delivery log."""
    redis = open_redis(RedisOptions(url=child.redis_url))
    try:
        return int(await redis.xlen("meterdeck:events"))
    finally:
        await redis.aclose()
