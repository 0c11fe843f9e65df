"""The client: what a call is answered by Redis, and how a client begins and ends."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.away import NOWHERE
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import DEADLINE_S, child_environment, spooled

from meterdeck.core.client import CircuitState, Decision, MeterClient
from meterdeck.core.errors import BadInput, ConfigError, NotFound, ReadOnly
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey


async def test_a_call_is_counted_and_decided_by_redis(context: Context) -> None:
    """The answer is a decision, and usage shows the same counter."""
    async with MeterClient.open(context) as meter:
        answer = await meter.consume("acme", {CALLS: 3, IMAGES: 1})
        usage = await meter.usage("acme")

        assert isinstance(answer, Decision)
        assert answer.allowed
        assert [each.current for each in answer.resources] == [3, 1]
        assert [each.used for each in usage[:2]] == [3, 1]
        assert meter.status().circuit.state is CircuitState.CLOSED


async def test_a_limit_refuses_by_a_decision(context: Context) -> None:
    """It is Redis that says no; nothing is degraded."""
    async with MeterClient.open(context) as meter:
        answer = await meter.consume("acme", {IMAGES: 11})

        assert isinstance(answer, Decision)
        assert not answer.allowed
        assert meter.status().refused == 0


async def test_a_repeated_call_id_counts_once(context: Context) -> None:
    """The second answer is the first."""
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {CALLS: 2}, call_id="req-1")
        answer = await meter.consume("acme", {CALLS: 2}, call_id="req-1")

        assert isinstance(answer, Decision)
        assert answer.replayed
        assert answer.resources[0].current == 2


@pytest.mark.parametrize(
    ("tenant", "amounts", "call_id"),
    [
        ("", {CALLS: 1}, None),
        ("acme", {}, None),
        ("acme", {CALLS: 0}, None),
        ("acme", {CALLS: 2**53 + 1}, None),
        ("acme", {CALLS: True}, None),
        ("acme", {CALLS: 1}, "not an id"),
        ("acme", {"unheard_of": 1}, None),
    ],
)
@pytest.mark.parametrize("away", [False, True])
async def test_a_wrong_argument_is_an_error_whether_redis_answers_or_not(
    context: Context,
    tenant: str,
    amounts: Mapping[str, int],
    call_id: str | None,
    away: bool,
) -> None:
    """Nothing wrong gets into the spool, to be found when nobody can mend it."""
    if away:
        context = replace(context, redis=replace(context.redis, url=NOWHERE))
    async with MeterClient.open(context) as meter:
        with pytest.raises((BadInput, NotFound)):
            await meter.consume(tenant, amounts, call_id=call_id)

        assert spooled(meter).calls == 0


@pytest.mark.parametrize("away", [False, True])
async def test_a_read_only_context_counts_and_spools_nothing(
    context: Context, away: bool
) -> None:
    """It is an error, not an outage."""
    url = NOWHERE if away else context.redis.url
    context = replace(context, read_only=True, redis=replace(context.redis, url=url))
    async with MeterClient.open(context) as meter:
        for _ in range(6):
            with pytest.raises(ReadOnly):
                await meter.consume("acme", {CALLS: 1})

        assert spooled(meter).calls == 0


async def test_a_context_is_opened_by_its_name_without_stripes_key(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that only counts need not hold the key; `on_fault` is read."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "meterdeck.toml"
    config.write_text(f"""
[resources.api_calls]
on_fault = "fail_open"
[contexts.production]
mode = "live"
[contexts.production.redis]
url = "{valkey.url}"
[contexts.production.stripe]
api_key = {{ env = "NOT_HERE" }}
[contexts.production.library]
call_timeout_seconds = 20
""")

    async with MeterClient.open("production", config=config) as meter:
        assert isinstance(await meter.consume("acme", {CALLS: 1}), Decision)
        assert spooled(meter).directory == tmp_path / "state" / "spool" / "production"


async def test_a_wrong_configuration_is_an_error_at_once(tmp_path: Path) -> None:
    """Opening raises; no task and no connection is left."""
    config = tmp_path / "meterdeck.toml"
    config.write_text("[contexts.production]\n")

    with pytest.raises(ConfigError):
        async with MeterClient.open("production", config=config):
            pass


async def test_closing_waits_for_the_calls_under_way(context: Context) -> None:
    """Each gets its answer; who comes later is told that the client is closed."""
    async with MeterClient.open(context) as meter:
        calls = [
            asyncio.create_task(meter.consume("acme", {CALLS: 1})) for _ in range(50)
        ]
        await asyncio.sleep(0)

    answers = [call.result() for call in calls]
    assert all(isinstance(each, Decision) for each in answers)
    with pytest.raises(BadInput, match="closed"):
        await meter.consume("acme", {CALLS: 1})


def test_a_client_does_not_work_in_a_forked_process(
    valkey: Valkey, spool_dir: Path
) -> None:
    """It says so, in place of two processes that share sockets and a spool."""
    script = f"""
import asyncio, os
from pathlib import Path
from tests.support.metering import library_context
from meterdeck.core.client import MeterClient
from meterdeck.core.errors import BadInput

async def main():
    context = library_context({valkey.url!r}, Path({str(spool_dir)!r}))
    async with MeterClient.open(context) as meter:
        await meter.consume("acme", {{"api_calls": 1}})
        child = os.fork()
        if not child:
            try:
                await meter.consume("acme", {{"api_calls": 1}})
            except BadInput as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        await meter.consume("acme", {{"api_calls": 1}})

asyncio.run(main())
"""

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "open one in each process" in done.stdout


async def test_a_client_that_is_closed_at_any_moment_of_its_start_ends(
    context: Context,
) -> None:
    """Python 3.11's `wait_for`, which redis-py sends with, may swallow the end."""
    for turns in range(30):
        async with asyncio.timeout(DEADLINE_S), MeterClient.open(context):
            for _ in range(turns):
                await asyncio.sleep(0)
