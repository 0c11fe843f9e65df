"""`--json` of commands that no other test asks for it; held against the schemas.

`CommandLine` does that, see conftest.py.
"""

import time

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.integration.cli.test_faults import box  # noqa: F401  # a fixture
from tests.integration.cli.test_requests import people, worker  # noqa: F401  # a fixture


def test_faults_and_the_clock_as_objects(
    box: CommandLine,  # noqa: F811  # the fixture
) -> None:
    """An outage without an end has none; the clock is ahead."""
    on = box("faults", "set", "outage=on", "--json").json
    off = box("faults", "clear", "--json").json
    ahead = box("clock", "advance", "36h", "--json").json

    assert (on["active"], on["outage_left_seconds"]) == (["outage_s"], None)
    assert (off["active"], off["outage_left_seconds"]) == ([], 0)
    assert ahead["ahead_seconds"] >= 129_590


def test_a_database_and_its_upgrade_as_objects(
    cli: CommandLine, store: redis.Redis
) -> None:
    """An older contract: first what there is to do, then that it is done."""
    store.hset("meterdeck:contract", mapping={"version": "1"})

    plan = cli("upgrade", "--json")
    done = cli("upgrade", "--yes", "--json")

    assert (plan.code, plan.json["done"], plan.json["nothing_to_do"]) == (
        1,
        False,
        False,
    )
    assert (done.code, done.json["done"]) == (0, True)


def test_requests_that_are_taken_back_and_rejected_as_objects(
    people: dict[str, CommandLine],  # noqa: F811  # the fixture
    store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By who asked, and by another; the answer is the request as it ended."""
    monkeypatch.setenv("METERDECK_CONTEXTS__STAGING__REQUESTS__WAIT_SECONDS", "30")
    store.hset("meterdeck:tenant:acme", "name", "Acme")
    change = ("override", "set", "acme", "api_calls", "9000", "--reason", "launch")
    signed, ends = ("--reason", "no", "--json"), []
    with worker(people["office"].config):
        for person, word in (("alice", "withdraw"), ("bob", "reject")):
            people["alice"](*change, "--operation-id", word, "--no-wait")
            deadline = time.monotonic() + 30
            while not people["alice"]("requests", "list", "--json").json["pending"]:
                assert time.monotonic() < deadline
            told = people[person]("requests", word, f"alice:{word}", *signed)
            ends.append(told.json["request"]["state"])

    assert ends == ["withdrawn", "rejected"]
