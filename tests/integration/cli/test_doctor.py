"""`meterdeck doctor`: what people see, what programs get, how it ends."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from tests.integration.cli.conftest import METERDECK, CommandLine
from tests.support.terminal import Terminal

from meterdeck.core.sandbox.valkey import Valkey

MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spools of this machine's other programs do not matter here."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))


def test_people_get_a_line_a_check_and_a_sum(cli: CommandLine, acme: str) -> None:
    """A sign and words, not colour; nothing else where nothing is wrong."""
    done = cli("doctor")

    assert (done.code, done.err) == (0, "")
    *lines, blank, last = done.out.splitlines()
    assert [line[0] for line in lines] == ["✓"] * len(lines)
    assert blank == ""
    assert last == f"{len(lines)} of {len(lines)} checks are fine"


def test_what_is_wrong_comes_with_why_and_how_to_mend_it(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Below its line; the exit code says that there is something to mend."""
    store.set(f"usage:acme:api_calls:{MONTH}", "abc", ex=3_024_000)
    done = cli("doctor")

    assert done.code == 1
    lines = done.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✗"))
    assert "Values" in lines[at]
    assert "1 of 1 counters hold none" in lines[at]
    assert lines[at + 1].strip().startswith("A counter that holds no whole number")
    assert lines[at + 2].strip().startswith("→ find the program")
    assert lines[-1].endswith("checks are fine; 1 to mend")


def test_warnings_alone_end_well_unless_they_must_not(
    cli: CommandLine, store: redis.Redis
) -> None:
    """A schedule that runs doctor chooses whether it wants to hear of them."""
    store.set(f"usage:acme:api_calls:{MONTH}", "5")
    assert cli("doctor").code == 0
    assert "! Expiry" in cli("doctor").out
    assert cli("doctor", "--strict").code == 1


def test_programs_get_every_check_by_its_name(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Names, result, what was found, why, and how to mend it."""
    store.set(f"usage:acme:api_calls:{MONTH}", "5")
    answer = cli("doctor", "--json").json

    assert (answer["context"], answer["mode"]) == ("staging", "test")
    assert answer["sound"] is True
    by_name = {each["check"]: each for each in answer["checks"]}
    assert list(by_name)[:3] == ["redis", "version", "eviction"]
    assert by_name["eviction"]["result"] == "ok"
    assert by_name["eviction"]["mend"] is None
    expiry = by_name["expiry"]
    assert expiry["result"] == "warning"
    assert "never expire" in expiry["found"]
    assert expiry["why"]
    assert "EXPIRE" in expiry["mend"]


def test_a_redis_out_of_reach_ends_with_three(cli: CommandLine) -> None:
    """As with every command; the rest is said not to have been looked at."""
    done = cli("doctor", "--context", "away", "--json")

    assert done.code == 3
    results = {each["check"]: each["result"] for each in done.json["checks"]}
    assert results["redis"] == "fault"
    assert results["memory"] == "unknown"
    assert results["spool"] == "ok"


def test_names_from_outside_do_not_act_on_the_terminal(
    cli: CommandLine, store: redis.Redis
) -> None:
    """A tenant called like an escape sequence is shown, not done."""
    store.set(f"usage:ac\x1b[2Jme:api_calls:{MONTH}", "abc", ex=3_024_000)
    done = cli("doctor")

    assert "ac␛[2Jme" in done.out
    assert "\x1b" not in done.out


def test_a_large_database_is_sampled_and_the_answer_says_so(
    cli: CommandLine, store: redis.Redis
) -> None:
    """100,000 tenants are not all looked at."""
    counters = {f"usage:t{n}:api_calls:{MONTH}": n for n in range(100_000)}
    store.mset(counters)
    by_name = {each["check"]: each for each in cli("doctor", "--json").json["checks"]}

    found = by_name["values"]["found"]
    assert "5,000 counters looked at, a sample of 100,000 keys" in found
    assert "keys looked at, a sample of 100,000" in by_name["layout"]["found"]
    assert "5,000 of 5,000 counters looked at" in by_name["expiry"]["found"]


def test_a_look_that_lasts_says_what_it_is_at(
    cli: CommandLine, valkey_server: Valkey
) -> None:
    """On a terminal, after a second, and wiped away when it is done."""
    command = [METERDECK, "doctor", "--config", str(cli.config)]
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        terminal = Terminal(command)
        terminal.wait_for(lambda shown: "… Redis" in shown)
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)
    with terminal:
        terminal.wait_for(lambda shown: "checks are fine" in shown)
        assert "…" not in terminal.text()
