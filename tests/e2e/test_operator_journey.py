"""An operator at the console, in a real terminal on a running sandbox."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from tests.support.running_sandbox import (
    METERDECK,
    RunningSandbox,
    child_environment,
    running_sandbox,
)
from tests.support.terminal import KEYS, Terminal

SIZES = [(120, 40), (80, 24)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox whose counters only these tests move."""
    with running_sandbox(tenants=60) as running:
        yield running


def first_tenant(screen: str) -> str:
    """Return the name in the selected row of the table."""
    [row] = [line for line in screen.splitlines() if line.startswith("▌")]
    return re.split(r"\s{2,}", row[1:].strip())[0]


def worst_first(screen: str) -> bool:
    """Tell whether the selected row, the first one, is a tenant at its limit."""
    return any(line.startswith("▌") and "FULL" in line for line in screen.splitlines())


def tenant_id(sandbox: RunningSandbox, redis: Redis, name: str) -> str:
    """Return the id of the tenant with this name, read from the directory."""
    known = redis.smembers("meterdeck:tenants")
    for tenant in (raw.decode() for raw in known if isinstance(raw, bytes)):
        if redis.hget(f"meterdeck:tenant:{tenant}", "name") == name.encode():
            return tenant
    raise AssertionError(f"no tenant is called {name!r}")


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_a_counter_is_adjusted_and_the_trail_says_so(
    sandbox: RunningSandbox, columns: int, rows: int
) -> None:
    """Filter, open, adjust: Redis then holds the new value and the audit entry."""
    reason = f"{columns}x{rows} counted twice"
    with (
        Redis.from_url(sandbox.redis_url) as redis,
        Terminal(
            sandbox.command(), columns=columns, rows=rows, env=sandbox.environment
        ) as console,
    ):
        console.wait_for(worst_first)
        console.send("/dalelund")
        console.wait_for(lambda s: "▌" in s and first_tenant(s) == "Dalelund Dental")
        console.send(KEYS["enter"])  # keeps the filter
        console.send(KEYS["enter"])  # opens the tenant
        console.wait_for("Audit trail")
        tenant = tenant_id(sandbox, redis, "Dalelund Dental")
        before = counters_of(redis, tenant)

        console.send("a")
        console.wait_for("Adjust a counter")
        console.send("7" + KEYS["tab"] * 2 + reason)
        console.wait_for("→")
        console.send(KEYS["ctrl+s"])
        console.wait_for(lambda s: "Adjust a counter" not in s)
        console.wait_for(lambda s: reason[:8] in s)

        after = counters_of(redis, tenant)
        [key] = [key for key in after if after[key] != before.get(key)]
        assert b":api_calls:" in key  # the one nearest to its limit
        assert after[key] == before[key] + 7
        [(_, entry)] = redis.xrevrange(f"meterdeck:audit:{tenant}", count=1)
        assert entry[b"reason"].decode() == reason
        assert int(entry[b"before"]) == before[key]
        assert int(entry[b"after"]) == after[key]
        assert entry[b"actor"] != b""
        console.send("q")
        assert console.wait_end() == 0


def counters_of(redis: Redis, tenant: str) -> dict[bytes, int]:
    """Return every counter of a tenant."""
    return {
        key: int(redis.get(key) or 0)
        for key in redis.scan_iter(match=f"usage:{tenant}:*", count=1000)
    }


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_demo_shows_bars_that_move(tmp_path: Path, columns: int, rows: int) -> None:
    """`meterdeck demo` fills the screen with tenants, and their numbers move."""
    environment = child_environment(METERDECK_STATE_DIR=str(tmp_path))
    with Terminal(
        [METERDECK, "demo", "--rate", "1500"],
        columns=columns,
        rows=rows,
        env=environment,
    ) as console:
        # Of all twelve rows of the small screen: the worst stand still for long.
        first = console.wait_for(lambda shown: shown.count("%") > 24)

        console.wait_for(lambda shown: moved(first, shown))

        assert "SANDBOX" in console.text()
        assert "RESETS" in console.text() or columns < 100
        console.send("q")
        assert console.wait_end() == 0


def moved(first: str, now: str) -> bool:
    """Tell whether some row of the table shows other percents than before."""
    rows = re.compile(r"^. (\S.*?)  .*?((?:\d+%.*)+)$", re.MULTILINE)
    then = dict(rows.findall(first))
    return any(then.get(name, shares) != shares for name, shares in rows.findall(now))


def test_without_a_configuration_it_says_what_to_do(tmp_path: Path) -> None:
    """No file, no context: one sentence with `demo` and `init`, and exit code 2."""
    done = subprocess.run(
        [METERDECK],
        cwd=tmp_path,
        env=child_environment(
            HOME=str(tmp_path),
            XDG_CONFIG_HOME=str(tmp_path),
            METERDECK_STATE_DIR=str(tmp_path),
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "meterdeck demo" in done.stderr
    assert "meterdeck init" in done.stderr
    assert done.stdout == ""


def test_keys_that_arrive_in_one_packet_act_one_by_one(
    sandbox: RunningSandbox,
) -> None:
    """Over a slow link a filter is typed, not the actions of its letters."""
    with Terminal(sandbox.command(), env=sandbox.environment) as console:
        console.wait_for(worst_first)

        console.send("/brenebourne" + KEYS["enter"] * 2)
        console.wait_for(lambda s: "Audit trail" in s and "Brenebourne" in s)
        console.send("a7" + KEYS["tab"] * 2 + "in one packet")
        shown = console.wait_for("in one packet")

        assert re.search(r"Amount +7 ", shown), shown
        assert re.search(r"Reason +in one packet ", shown), shown
