"""The client for threads: the same answers, from any number of them; a clean end."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.contexts import CALLS, IMAGES
from tests.support.metering import DEADLINE_S, child_environment, library_context

from meterdeck.core.client import Counting, Decision, Degraded, SyncMeterClient
from meterdeck.core.errors import BadInput, ConfigError, NotFound, RedisUnreachable
from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey

NOWHERE = "redis://127.0.0.1:1/0"


def threads() -> list[str]:
    """Return the names of the client's threads that run."""
    names = [each.name for each in threading.enumerate()]
    return [name for name in names if name.startswith("meterdeck")]


def ended(condition: Callable[[], bool]) -> bool:
    """Wait for a condition and tell whether it came true."""
    until = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < until:
        pass
    return condition()


def test_twenty_threads_count_at_once(context: Context) -> None:
    """Every call is counted once; the last answers name the sum."""

    def work(client: SyncMeterClient) -> int:
        highest = 0
        for _ in range(25):
            answer = client.consume("acme", {CALLS: 1})
            assert isinstance(answer, Decision)
            highest = max(highest, answer.resources[0].current)
        return highest

    with SyncMeterClient.open(context) as client, ThreadPoolExecutor(20) as pool:
        highest = list(pool.map(work, [client] * 20))
        usage = client.usage("acme")

    assert max(highest) == 500
    assert usage[0].used == 500
    assert ended(lambda: threads() == [])


def test_without_redis_threads_get_the_same_answers(spool_dir: Path) -> None:
    """Failing open spools, failing closed refuses, reading is an error."""
    with SyncMeterClient.open(library_context(NOWHERE, spool_dir)) as client:
        kept = client.consume("acme", {CALLS: 1})
        refused = client.consume("acme", {IMAGES: 1})

        assert isinstance(kept, Degraded)
        assert kept.allowed
        assert kept.counting is Counting.SPOOLED
        assert not refused.allowed
        status = client.status()
        assert status.spool is not None
        assert status.spool.calls == 1
        with pytest.raises(RedisUnreachable):
            client.usage("acme")

    assert ended(lambda: threads() == [])


def test_errors_reach_the_thread_that_called(context: Context) -> None:
    """And the client goes on."""
    with SyncMeterClient.open(context) as client:
        with pytest.raises(NotFound):
            client.consume("acme", {"unheard_of": 1})

        assert client.consume("acme", {CALLS: 1}).allowed


def test_a_client_that_cannot_be_opened_says_why(
    context: Context, tmp_path: Path
) -> None:
    """The error comes where it was opened, and no thread stays."""
    (tmp_path / "file").touch()
    library = replace(context.library, spool_dir=tmp_path / "file" / "spool")

    with (
        pytest.raises(ConfigError, match="spool_directory"),
        SyncMeterClient.open(replace(context, library=library)),
    ):
        pass

    assert ended(lambda: threads() == [])


def test_closing_waits_for_the_calls_of_other_threads(context: Context) -> None:
    """Each of them gets an answer, or is told that the client is closed."""
    begun = threading.Barrier(9)

    def work(client: SyncMeterClient) -> int:
        begun.wait(DEADLINE_S)
        for count in range(10_000):
            try:
                assert isinstance(client.consume("acme", {CALLS: 1}), Decision)
            except BadInput as error:
                assert "closed" in str(error)  # noqa: PT017  # the only way to end
                return count
        return 0

    with ThreadPoolExecutor(8) as pool:
        with SyncMeterClient.open(context) as client:
            works = [pool.submit(work, client) for _ in range(8)]
            begun.wait(DEADLINE_S)
            assert ended(lambda: client.usage("acme")[0].used != 0)
        counts = [each.result(DEADLINE_S) for each in works]

    with SyncMeterClient.open(context) as client:
        # Answers beyond the limit are refusals: the counter stops there.
        assert client.usage("acme")[0].used == min(1000, sum(counts))


def test_a_forked_process_is_told_to_open_its_own(
    valkey: Valkey, spool_dir: Path
) -> None:
    """Its copy has no thread: without the check it would wait for ever."""
    script = f"""
import os
from pathlib import Path
from tests.support.metering import library_context
from meterdeck.core.client import SyncMeterClient
from meterdeck.core.errors import BadInput

context = library_context({valkey.url!r}, Path({str(spool_dir)!r}))
with SyncMeterClient.open(context) as client:
    client.consume("acme", {{"api_calls": 1}})
    child = os.fork()
    if not child:
        try:
            client.consume("acme", {{"api_calls": 1}})
        except BadInput as error:
            print(error, flush=True)
    else:
        os.waitpid(child, 0)
        print(client.consume("acme", {{"api_calls": 1}}).allowed, flush=True)
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
    assert done.stdout.endswith("True\n")
