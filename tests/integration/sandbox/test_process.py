"""`meterdeck sandbox` as a program: its line, its end, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import stripe
from tests.integration.sandbox.process import (
    COMMAND,
    PATIENCE_S,
    Child,
    listens,
    runs,
    sandbox_child,
    wait_until,
)
from tests.support.metering import until
from tests.support.webhook_sink import webhook_sink

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox.roles import JAPANESE, LONG_NAME
from meterdeck.core.settings.running_sandbox import find_sandbox

FEW = "--tenants=3"
"""For what has nothing to do with who the tenants are: half a second less."""
SDK_PROGRAM = """
import stripe, sys
key, base = sys.argv[1:]
client = stripe.StripeClient(key, base_addresses={"api": base})
for customer in client.v1.customers.list({"limit": 100}).auto_paging_iter():
    print(customer.name)
client.v1.customers.create({"name": "Made by the program"})
"""


async def valkey_pid(child: Child) -> int:
    redis = open_redis(RedisOptions(url=child.redis_url))
    try:
        return int((await redis.info("server"))["process_id"])
    finally:
        await redis.aclose()


def environ(child: Child) -> dict[str, str]:
    return {"METERDECK_STATE_DIR": str(child.state_dir)}


async def test_the_ready_line_leads_an_sdk_and_a_redis_client_to_the_fleet(
    tmp_path: Path,
) -> None:
    """The SDK lists the customers, Redis has their counters, changes are forwarded."""
    async with webhook_sink() as sink:
        forward_to = f"--forward-to={sink.url.removeprefix('http://')}/hook"
        with sandbox_child(tmp_path, "--no-traffic", forward_to) as child:
            done = await asyncio.to_thread(
                subprocess.run,
                [
                    sys.executable,
                    "-c",
                    SDK_PROGRAM,
                    child.api_key,
                    child.stripe_api_base,
                ],
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE_S,
            )
            redis = open_redis(RedisOptions(url=child.redis_url))
            try:
                counters = [key async for key in redis.scan_iter("usage:*", 1000)]
            finally:
                await redis.aclose()
            await until(lambda: len(sink.pushes) == 1)

    [push] = sink.pushes
    assert child.webhook_secret is not None
    event = stripe.Webhook.construct_event(
        push.body, push.signature, child.webhook_secret
    )
    assert (push.path, event.type) == ("/hook", "customer.created")
    assert event.data.object["name"] == "Made by the program"
    names = done.stdout.splitlines()
    assert len(names) == 60
    assert {JAPANESE.name, LONG_NAME.name} <= set(names)
    assert len(counters) > 30


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_everything_the_sandbox_started(
    tmp_path: Path, signum: signal.Signals
) -> None:
    """Exit 0, one line of output, no process, port, temporary or state file left."""
    with sandbox_child(tmp_path, FEW) as child:
        valkey = await valkey_pid(child)
        announced = find_sandbox(environ(child))

        child.process.send_signal(signum)
        code, out, complaints = child.end()

    assert announced.pid == child.process.pid
    assert (announced.stripe_api_base, announced.redis_url, announced.api_key) == (
        child.stripe_api_base,
        child.redis_url,
        child.api_key,
    )
    assert (code, out, complaints) == (0, "", "")
    assert not runs(valkey)
    assert not any(listens(port) for port in child.ports())
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(ConfigError, match="no sandbox is running"):
        find_sandbox(environ(child))


def test_a_signal_during_the_start_ends_it_as_well(tmp_path: Path) -> None:
    """Exit 0 without a ready line; Valkey and its folder are gone."""
    state_dir, temporary = tmp_path / "state", tmp_path / "tmp"
    temporary.mkdir()
    starting = subprocess.Popen(
        [*COMMAND, "--json", "--tenants=50000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {"METERDECK_STATE_DIR": str(state_dir), "TMPDIR": str(temporary)},
    )
    with starting:
        # Valkey has begun, and the fleet is being made.
        wait_until(lambda: any(temporary.glob("*/valkey.log")))
        starting.terminate()
        out, complaints = starting.communicate(timeout=PATIENCE_S)

    assert (starting.returncode, out, complaints) == (0, "", "")
    assert list(temporary.iterdir()) == []
    assert not state_dir.exists()


# The kernel's promise to end a child with its parent (PR_SET_PDEATHSIG); elsewhere
# there is none, and nothing is claimed. CI is Linux.
@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux's")
async def test_a_killed_sandbox_leaves_no_valkey_and_no_findable_sandbox(
    tmp_path: Path,
) -> None:
    """The kernel ends Valkey with its parent; the state file is seen to be stale."""
    with sandbox_child(tmp_path, FEW) as child:
        _, redis_port = child.ports()

        child.process.kill()
        child.process.wait(PATIENCE_S)

        wait_until(lambda: not listens(redis_port))
        with pytest.raises(ConfigError, match="no sandbox is running"):
            find_sandbox(environ(child))


async def test_the_sandbox_of_a_program_ends_when_that_program_is_gone(
    tmp_path: Path,
) -> None:
    """The end of its input ends it, where it was told so."""
    with sandbox_child(tmp_path, FEW, "--end-with-input") as child:
        valkey = await valkey_pid(child)

        # Closes the pipe, as the kernel does for a program that was killed.
        code, out, complaints = child.end()

    assert (code, out, complaints) == (0, "", "")
    assert not runs(valkey)


async def test_without_being_told_the_end_of_the_input_changes_nothing(
    tmp_path: Path,
) -> None:
    """A sandbox in the background has no input and runs on."""
    with sandbox_child(tmp_path, FEW, "--no-traffic") as child:
        assert child.process.stdin is not None
        child.process.stdin.close()
        child.process.stdin = None
        # Ten more looks at Valkey are more than a second of life.
        before = await connections(child)

        while await connections(child) < before + 10:
            assert child.process.poll() is None


async def connections(child: Child) -> int:
    redis = open_redis(RedisOptions(url=child.redis_url))
    try:
        return int((await redis.info("stats"))["total_connections_received"])
    finally:
        await redis.aclose()


async def test_the_end_of_valkey_ends_the_sandbox_with_the_reason(
    tmp_path: Path,
) -> None:
    """Exit 3 and one line that says it; the state file is gone."""
    with sandbox_child(tmp_path, FEW) as child:
        valkey = await valkey_pid(child)
        os.kill(valkey, signal.SIGKILL)

        code, out, complaints = child.end()

    assert (code, complaints) == (3, "")
    error = json.loads(out)["error"]
    assert error["type"] == "RedisUnreachable"
    assert error["message"] == (
        f"the sandbox's Valkey (process {valkey}) ended;"
        " its counters are gone, start the sandbox again"
    )
    assert list(child.state_dir.iterdir()) == []


async def test_the_end_of_a_valkey_that_keeps_its_data_loses_none(
    tmp_path: Path,
) -> None:
    """With a data folder nobody is told that the counters are gone: they are not."""
    data = f"--data-dir={tmp_path / 'data'}"
    with sandbox_child(tmp_path, FEW, data) as child:
        valkey = await valkey_pid(child)
        os.kill(valkey, signal.SIGKILL)

        code, out, _ = child.end()

    assert code == 3
    assert json.loads(out)["error"]["message"] == (
        f"the sandbox's Valkey (process {valkey}) ended; start the sandbox again"
    )


@pytest.mark.parametrize("flag", ["--stripe-port", "--redis-port"])
def test_a_port_in_use_is_one_sentence_and_exit_2(tmp_path: Path, flag: str) -> None:
    """It names the flag and the port; nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, flag, str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env=os.environ | {"TMPDIR": str(tmp_path)},
        )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert flag in done.stderr
    assert str(port) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_one_is_one_sentence_and_exit_2(
    tmp_path: Path,
) -> None:
    """A file in its place: the flag and the path are named."""
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*COMMAND, "--data-dir", str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--data-dir" in done.stderr
    assert str(tmp_path / "file") in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ["--tenants", "100001"],
        ["--tenants", "-1"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--stripe-port", "65536"],
        ["--redis-port", "x"],
        ["--seed", "x"],
    ],
)
def test_a_wrong_flag_is_one_sentence_and_exit_2(flags: list[str]) -> None:
    """What was wrong, and for which flag."""
    done = subprocess.run(
        [*COMMAND, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert flags[0] in done.stderr


def test_the_ports_asked_for_are_the_ports_that_answer(tmp_path: Path) -> None:
    """Fixed ports make fixed addresses for a developer's configuration."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = one.getsockname()[1], other.getsockname()[1]

    flags = f"--stripe-port={ports[0]}", f"--redis-port={ports[1]}"
    with sandbox_child(tmp_path, FEW, "--no-traffic", *flags) as child:
        assert child.ports() == ports


async def test_with_a_data_folder_counters_survive_the_sandbox(tmp_path: Path) -> None:
    """The second sandbox finds what the first one's tenants had used."""
    data = f"--data-dir={tmp_path / 'data'}"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with sandbox_child(tmp_path / "one", FEW, "--no-traffic", data) as child:
        redis = open_redis(RedisOptions(url=child.redis_url))
        await redis.set("usage:acme:api_calls:2026-11", 4711)
        await redis.aclose()
        child.process.terminate()
        child.end()

    with sandbox_child(tmp_path / "two", FEW, "--no-traffic", data) as child:
        redis = open_redis(RedisOptions(url=child.redis_url))
        kept = await redis.get("usage:acme:api_calls:2026-11")
        await redis.aclose()

    assert kept == b"4711"


def test_a_second_sandbox_is_found_in_place_of_the_first_which_runs_on(
    tmp_path: Path,
) -> None:
    """The last one started wins; the first one's end takes only its own file."""
    with sandbox_child(tmp_path, FEW, "--no-traffic") as first:
        second = subprocess.Popen(
            [*COMMAND, "--json", FEW, "--no-traffic"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | environ(first)
            | {"TMPDIR": str(first.state_dir.parent / "tmp")},
        )
        with second:
            assert second.stdout is not None
            ready = json.loads(second.stdout.readline())
            found = find_sandbox(environ(first))
            first.process.terminate()
            first.end()
            still_found = find_sandbox(environ(first))
            second.terminate()

    assert found.redis_url == ready["redis_url"] != first.redis_url
    assert still_found == found
    assert list(first.state_dir.iterdir()) == []
