"""`meterdeck alerts`: what a worker found, and what somebody does about it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import redis
from tests.integration.cli.conftest import CommandLine

from meterdeck.core.adapters.redis_client import open_redis, server_time
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.alerting.watch import AlertWatch
from meterdeck.core.settings import load_context

RULE = """
[alerts.near]
percent = [80, 100]
severity = "critical"
filter = "!name:internal"
"""


def watched(cli: CommandLine, tenants: Sequence[str]) -> None:
    """Have a worker's watch look at tenants."""

    async def look() -> None:
        context = load_context(config=cli.config, environ={})
        client = open_redis(context.redis)
        now = await server_time(client)
        watch = AlertWatch(
            client,
            context,
            now=lambda: now,
            tenant_of=lambda _: None,
            is_mine=lambda _: True,
        )
        watch.notice(map(TenantId, tenants))
        await watch.look()
        await client.aclose()

    asyncio.run(look())


@pytest.fixture
def alert(cli: CommandLine, store: redis.Redis) -> str:
    """An open alert's id, of a hostile tenant; the filter leaves another out."""
    cli.config.write_text(cli.config.read_text() + RULE)
    seconds, _ = store.time()
    month = calendar_month(datetime.fromtimestamp(seconds, UTC)).label
    for tenant in ("acme\x1b[2J", "internal"):
        store.set(f"usage:{tenant}:api_calls:{month}", "950")
    watched(cli, ["acme\x1b[2J", "internal"])
    (found,) = cli("alerts", "--json").json["alerts"]
    return str(found["id"])


def test_alerts_are_listed_acknowledged_and_snoozed_with_a_name(
    cli: CommandLine, alert: str
) -> None:
    """A second acknowledgement is refused; what is done is in the list."""
    listed = cli("alerts")
    assert (listed.code, "\x1b[2J" in listed.out) == (0, False)
    assert "API calls 95 %" in listed.out
    assert "no worker runs" in listed.err

    done = cli("alerts", "ack", alert, "--note", "on it", "--json").json["alert"]
    assert (done["state"], done["handled"]["note"]) == ("acknowledged", "on it")
    again = cli("alerts", "ack", alert)
    assert again.code == 1
    assert f"was acknowledged before by {done['handled']['by']}" in again.err
    assert cli("alerts", "snooze", alert, "2h").code == 0
    found = cli("alerts", "list", "--filter", "state:snoozed", "--json").json
    assert [each["id"] for each in found["alerts"]] == [alert]
    assert found["alerts"][0]["handled"]["until"] is not None


def test_what_cannot_be_done_with_an_alert_is_said(
    cli: CommandLine, alert: str
) -> None:
    """Wrong use is 2, what there is not is 1."""
    assert cli("alerts", "ack", "al_none").code == 1
    assert cli("alerts", "snooze", alert, "yesterday").code == 2
    assert cli("alerts", "list", "--filter", "who:me").code == 2
    tried = cli("alerts", "test")
    assert (tried.code, "tells nobody of alerts" in tried.err) == (1, True)
    refused = cli("alerts", "ack", alert, "--read-only")
    assert (refused.code, "read-only" in refused.err) == (1, True)
